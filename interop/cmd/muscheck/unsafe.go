package main

import (
	"encoding/hex"
	"time"

	"github.com/mus-format/mus-stream-go"
	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/typed"
	"github.com/mus-format/mus-stream-go/unsafe"
	"github.com/mus-format/mus-stream-go/varint"
)

// The types below have the serializers that mus-gen makes in its mode "unsafe":
// package unsafe for every number, time, bool and string, at all places. All
// lengths and tags are varints. Byte slices are those of package ord, because the
// stream version of package unsafe has none.

// Wide has integers of all widths, in all kinds of types that can hold them.
type Wide struct {
	B    bool
	U8   uint8
	I8   int8
	U16  uint16
	I16  int16
	U32  uint32
	I32  int32
	U64  uint64
	I64  int64
	U    uint
	I    int
	F32  float32
	F64  float64
	S    string
	Raw  []byte
	At   time.Time
	For  time.Duration
	List [][]int32
	Map  map[uint16]int64
	Ptr  *uint32
	Arr  [3]int16
	In   Narrow
	Of   []Width
	// V has an encoding of its own: varint.
	V uint64
}

// Narrow is a struct inside.
type Narrow struct {
	N int
	M map[string]uint32
}

// Width is a Narrow or a Length.
type Width interface{ width() }

// Length is a number with a name.
type Length int64

func (Narrow) width() {}
func (Length) width() {}

var (
	narrowUnsafe = structOf[Narrow]{
		field(unsafe.Int, func(v *Narrow) *int { return &v.N }),
		field[Narrow, map[string]uint32](ord.NewMapSer(mus.Serializer[string](unsafe.String), unsafe.Uint32),
			func(v *Narrow) *map[string]uint32 { return &v.M }),
	}

	lengthUnsafe = definedOver(unsafe.Int64,
		func(v Length) int64 { return int64(v) },
		func(n int64) Length { return Length(n) })

	widthUnsafe = unionOf[Width]{
		variant[Width](typed.NewSer[Narrow](1, narrowUnsafe)),
		variant[Width](typed.NewSer[Length](300, lengthUnsafe)),
	}

	wideUnsafe = structOf[Wide]{
		field(unsafe.Bool, func(v *Wide) *bool { return &v.B }),
		field(unsafe.Uint8, func(v *Wide) *uint8 { return &v.U8 }),
		field(unsafe.Int8, func(v *Wide) *int8 { return &v.I8 }),
		field(unsafe.Uint16, func(v *Wide) *uint16 { return &v.U16 }),
		field(unsafe.Int16, func(v *Wide) *int16 { return &v.I16 }),
		field(unsafe.Uint32, func(v *Wide) *uint32 { return &v.U32 }),
		field(unsafe.Int32, func(v *Wide) *int32 { return &v.I32 }),
		field(unsafe.Uint64, func(v *Wide) *uint64 { return &v.U64 }),
		field(unsafe.Int64, func(v *Wide) *int64 { return &v.I64 }),
		field(unsafe.Uint, func(v *Wide) *uint { return &v.U }),
		field(unsafe.Int, func(v *Wide) *int { return &v.I }),
		field(unsafe.Float32, func(v *Wide) *float32 { return &v.F32 }),
		field(unsafe.Float64, func(v *Wide) *float64 { return &v.F64 }),
		field[Wide, string](unsafe.String, func(v *Wide) *string { return &v.S }),
		field[Wide, []byte](ord.ByteSlice, func(v *Wide) *[]byte { return &v.Raw }),
		field(unsafe.TimeUnixUTC, func(v *Wide) *time.Time { return &v.At }),
		field(durationMUS(unsafe.Int64), func(v *Wide) *time.Duration { return &v.For }),
		field[Wide, [][]int32](ord.NewSliceSer(mus.Serializer[[]int32](ord.NewSliceSer(unsafe.Int32))),
			func(v *Wide) *[][]int32 { return &v.List }),
		field[Wide, map[uint16]int64](ord.NewMapSer(unsafe.Uint16, unsafe.Int64),
			func(v *Wide) *map[uint16]int64 { return &v.Map }),
		field[Wide, *uint32](ord.NewPtrSer(unsafe.Uint32), func(v *Wide) **uint32 { return &v.Ptr }),
		field[Wide, [3]int16](unsafe.NewArraySer[[3]int16](unsafe.Int16), func(v *Wide) *[3]int16 { return &v.Arr }),
		field[Wide, Narrow](narrowUnsafe, func(v *Wide) *Narrow { return &v.In }),
		field[Wide, []Width](ord.NewSliceSer[Width](widthUnsafe), func(v *Wide) *[]Width { return &v.Of }),
		field(varint.Uint64, func(v *Wide) *uint64 { return &v.V }),
	}
)

const (
	wideName  = "unsafe_struct.Wide"
	widthName = "unsafe_union.Width{1:Narrow,300:Length}"
)

func unsafeVectors() goldenFile {
	file := goldenFile{Doc: "Types in the serializers that mus-gen makes in its mode \"unsafe\": every integer has its full width, " +
		"wherever it stands; lengths and tags stay varints, and the field V has an encoding of its own, varint. " +
		"Made by interop/cmd/muscheck."}
	wide := func(name string, v Wide) golden {
		return roundTrip(wideName+"/"+name, wideName, wideUnsafe, v, showWide(v))
	}
	width := func(name string, v Width) golden {
		return roundTrip(widthName+"/"+name, widthName, widthUnsafe, v, showWidth(v))
	}
	epoch := time.Unix(0, 0).UTC()
	third := uint32(1 << 31)
	file.Vectors = []golden{
		wide("zero", Wide{At: epoch}),
		wide("ones", Wide{B: true, U8: 1, I8: 1, U16: 1, I16: 1, U32: 1, I32: 1, U64: 1, I64: 1, U: 1, I: 1, F32: 1, F64: 1,
			S: "1", Raw: []byte{1}, At: epoch.Add(time.Second), For: 1, List: [][]int32{{1}}, Map: map[uint16]int64{1: 1},
			Ptr: new(uint32), Arr: [3]int16{1, 1, 1}, In: Narrow{N: 1, M: map[string]uint32{"1": 1}},
			Of: []Width{Length(1)}, V: 1}),
		wide("edges", Wide{U8: 1<<8 - 1, I8: -1 << 7, U16: 1<<16 - 1, I16: -1 << 15, U32: 1<<32 - 1, I32: -1 << 31,
			U64: 1<<64 - 1, I64: -1 << 63, U: 1<<64 - 1, I: -1 << 63, F32: -1.5, F64: 1e100, S: "äöü", Raw: []byte{0, 255},
			At: time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), For: 1<<63 - 1,
			List: [][]int32{{}, {-1, 1<<31 - 1}}, Map: map[uint16]int64{300: -1}, Ptr: &third, Arr: [3]int16{-1, 0, 300},
			In: Narrow{N: -300, M: map[string]uint32{"a": 1 << 24}},
			Of: []Width{Narrow{N: 300}, Length(-1)}, V: 300}),
		width("struct", Narrow{N: 7}),
		width("number", Length(-2)),
		refused(widthName+"/unexpected", widthName, "unexpected_dtm", widthUnsafe, "02"),
		refused(widthName+"/truncated_number", widthName, "unexpected_eof", widthUnsafe, "ac0201000000"),
		refused(wideName+"/empty", wideName, "eof", wideUnsafe, ""),
		refused(wideName+"/invalid_bool", wideName, "wrong_format", wideUnsafe, "02"),
	}
	return file
}

func showNarrow(v Narrow) any {
	m := map[string]uint32{}
	for key, value := range v.M {
		m[key] = value
	}
	return struct {
		N int
		M map[string]uint32
	}{v.N, m}
}

func showWidth(v Width) any {
	switch v := v.(type) {
	case Narrow:
		return map[string]any{"type": "Narrow", "value": showNarrow(v)}
	default:
		return map[string]any{"type": "Length", "value": v}
	}
}

// showWide is how a vector shows a Wide. What is empty is not null, bytes are hex,
// and times are text.
func showWide(v Wide) any {
	shown := map[string]any{
		"B": v.B, "U8": v.U8, "I8": v.I8, "U16": v.U16, "I16": v.I16, "U32": v.U32, "I32": v.I32, "U64": v.U64, "I64": v.I64,
		"U": v.U, "I": v.I, "F32": v.F32, "F64": v.F64, "S": v.S, "Raw": hex.EncodeToString(v.Raw),
		"At": v.At.UTC().Format(time.RFC3339Nano), "For": int64(v.For), "Ptr": v.Ptr, "Arr": v.Arr, "In": showNarrow(v.In),
		"V": v.V,
	}
	list, of, m := [][]int32{}, []any{}, map[uint16]int64{}
	for _, row := range v.List {
		list = append(list, append([]int32{}, row...))
	}
	for _, width := range v.Of {
		of = append(of, showWidth(width))
	}
	for key, value := range v.Map {
		m[key] = value
	}
	shown["List"], shown["Of"], shown["Map"] = list, of, m
	return shown
}
