package main

import (
	com "github.com/mus-format/common-go"
	"github.com/mus-format/mus-stream-go"
	arropts "github.com/mus-format/mus-stream-go/options/array"
	bslopts "github.com/mus-format/mus-stream-go/options/byte_slice"
	mapopts "github.com/mus-format/mus-stream-go/options/map"
	slopts "github.com/mus-format/mus-stream-go/options/slice"
	stropts "github.com/mus-format/mus-stream-go/options/string"
	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/pm"
	"github.com/mus-format/mus-stream-go/raw"
	"github.com/mus-format/mus-stream-go/typed"
	"github.com/mus-format/mus-stream-go/unsafe"
	"github.com/mus-format/mus-stream-go/varint"

	"interop/muscodec"
)

// types are the types that can be checked, by name.
var types = map[string]check{
	"varint.uint64":         of(varint.Uint64),
	"varint.uint32":         of(varint.Uint32),
	"varint.uint16":         of(varint.Uint16),
	"varint.uint8":          of(varint.Uint8),
	"varint.byte":           of(varint.Byte),
	"varint.uint":           of(varint.Uint),
	"varint.int64":          of(varint.Int64),
	"varint.int32":          of(varint.Int32),
	"varint.int16":          of(varint.Int16),
	"varint.int8":           of(varint.Int8),
	"varint.int":            of(varint.Int),
	"varint.positive_int64": of(varint.PositiveInt64),
	"varint.positive_int32": of(varint.PositiveInt32),
	"varint.positive_int16": of(varint.PositiveInt16),
	"varint.positive_int8":  of(varint.PositiveInt8),
	"varint.positive_int":   of(varint.PositiveInt),
	"varint.float64":        of(varint.Float64),
	"varint.float32":        of(varint.Float32),

	"raw.uint64":  of(raw.Uint64),
	"raw.uint32":  of(raw.Uint32),
	"raw.uint16":  of(raw.Uint16),
	"raw.uint8":   of(raw.Uint8),
	"raw.byte":    of(raw.Byte),
	"raw.uint":    of(raw.Uint),
	"raw.int64":   of(raw.Int64),
	"raw.int32":   of(raw.Int32),
	"raw.int16":   of(raw.Int16),
	"raw.int8":    of(raw.Int8),
	"raw.int":     of(raw.Int),
	"raw.float64": of(raw.Float64),
	"raw.float32": of(raw.Float32),

	"raw.time_unix":           of(raw.TimeUnix),
	"raw.time_unix_milli":     of(raw.TimeUnixMilli),
	"raw.time_unix_micro":     of(raw.TimeUnixMicro),
	"raw.time_unix_nano":      of(raw.TimeUnixNano),
	"raw.time_unix_utc":       of(raw.TimeUnixUTC),
	"raw.time_unix_milli_utc": of(raw.TimeUnixMilliUTC),
	"raw.time_unix_micro_utc": of(raw.TimeUnixMicroUTC),
	"raw.time_unix_nano_utc":  of(raw.TimeUnixNanoUTC),

	"unsafe.uint64":    of(unsafe.Uint64),
	"unsafe.uint32":    of(unsafe.Uint32),
	"unsafe.uint16":    of(unsafe.Uint16),
	"unsafe.uint8":     of(unsafe.Uint8),
	"unsafe.int64":     of(unsafe.Int64),
	"unsafe.int32":     of(unsafe.Int32),
	"unsafe.int16":     of(unsafe.Int16),
	"unsafe.int8":      of(unsafe.Int8),
	"unsafe.float64":   of(unsafe.Float64),
	"unsafe.float32":   of(unsafe.Float32),
	"unsafe.bool":      of(unsafe.Bool),
	"unsafe.string":    of(unsafe.String),
	"unsafe.time_unix": of(unsafe.TimeUnix),

	"ord.bool":                        of(ord.Bool),
	"ord.string":                      of(ord.String),
	"ord.string{len=varint.int}":      of(zigzagString),
	"ord.string{len=raw.int}":         of(ord.NewStringSer(stropts.WithLenSer(raw.Int))),
	"ord.valid_string{max_len=3}":     of(muscodec.StringAtMost(3)),
	"ord.byte_slice":                  of(ord.ByteSlice),
	"ord.byte_slice{len=varint.int}":  of(ord.NewByteSliceSer(bslopts.WithLenSer(varint.Int))),
	"ord.byte_slice{len=raw.int}":     of(ord.NewByteSliceSer(bslopts.WithLenSer(raw.Int))),
	"ord.valid_byte_slice{max_len=3}": of(ord.NewValidByteSliceSer(bslopts.WithLenValidator(muscodec.AtMost(3)))),

	"ord.slice<varint.int>":              of(ord.NewSliceSer(varint.Int)),
	"ord.slice<varint.int>{len=raw.int}": of(ord.NewSliceSer(varint.Int, slopts.WithLenSer[int](raw.Int))),
	"ord.slice<raw.uint32>":              of(ord.NewSliceSer(raw.Uint32)),
	"ord.slice<raw.float64>":             of(ord.NewSliceSer(raw.Float64)),
	"ord.slice<raw.int8>":                of(ord.NewSliceSer(raw.Int8)),
	"ord.slice<ord.bool>":                of(ord.NewSliceSer(ord.Bool)),
	"ord.slice<ord.string>":              of(stringsMUS),
	"ord.slice<ord.string>{elem_len=varint.int,len=varint.int}": of(
		ord.NewSliceSer(zigzagString, slopts.WithLenSer[string](varint.Int))),
	"ord.slice<ord.slice<raw.uint16>>": of(ord.NewSliceSer(mus.Serializer[[]uint16](ord.NewSliceSer(raw.Uint16)))),
	"ord.slice<struct.Empty>":          of(ord.NewSliceSer[Empty](emptyMUS)),
	"ord.valid_slice<varint.int>{elem_min=0,max_len=2}": of(ord.NewValidSliceSer(varint.Int,
		slopts.WithLenValidator[int](muscodec.AtMost(2)),
		slopts.WithElemValidator[int](com.ValidatorFn[int](notNegative)))),

	"array3<varint.int>":               of(unsafe.NewArraySer[[3]int](varint.Int)),
	"array4<raw.byte>":                 of(unsafe.NewArraySer[[4]byte](raw.Byte)),
	"array4<raw.byte>{len=varint.int}": of(unsafe.NewArraySer[[4]byte](raw.Byte, arropts.WithLenSer[byte](varint.Int))),
	"array2<ord.string>":               of(unsafe.NewArraySer[[2]string](mus.Serializer[string](ord.String))),

	"ord.map<varint.int,ord.string>": of(ord.NewMapSer(varint.Int, mus.Serializer[string](ord.String))),
	"ord.map<varint.int,ord.string>{len=varint.int,value_len=varint.int}": of(
		ord.NewMapSer(varint.Int, zigzagString, mapopts.WithLenSer[int, string](varint.Int))),
	"ord.map<ord.string,ord.string>": of(mapMUS),
	"ord.map<raw.uint16,ord.slice<raw.float32>>": of(
		ord.NewMapSer(raw.Uint16, mus.Serializer[[]float32](ord.NewSliceSer(raw.Float32)))),
	"ord.map<ord.string,struct.Empty>": of(ord.NewMapSer[string, Empty](ord.String, emptyMUS)),

	"ord.ptr<ord.string>":                     of(ord.NewPtrSer[string](ord.String)),
	"ord.ptr<ord.ptr<varint.int>>":            of(ord.NewPtrSer[*int](ord.NewPtrSer(varint.Int))),
	"ord.slice<ord.ptr<raw.int32>>":           of(ord.NewSliceSer[*int32](ord.NewPtrSer(raw.Int32))),
	"ord.ptr<ord.map<ord.string,ord.string>>": of(ord.NewPtrSer[map[string]string](mapMUS)),

	"pm.slice<ptr<varint.int>>": of(mapped(varint.Int)),
	"pm.slice<ptr<ord.string>>": of(mapped[string](ord.String)),

	"defined.Duration{varint}": of(durationMUS(varint.Int64)),
	"defined.Duration{raw}":    of(durationMUS(raw.Int64)),
	"defined.Label(string)":    of(labelMUS),

	uuidName:                      of(uuidMUS),
	uuidName + "{len=varint.int}": of(zigzagUUIDMUS),
	uuidName + "{len=raw.int}":    of(rawUUIDMUS),
	decimalName:                   of(decimalMUS),
	wideName:                      of(wideUnsafe),
	widthName:                     of(widthUnsafe),
	paymentName:                   of(paymentMUS),

	"struct.Empty":                      of(emptyMUS),
	"struct.Foo":                        of(fooMUS),
	"struct.Foo{string_len=varint.int}": of(zigzagFooMUS),
	"struct.Outer":                      of(outerMUS),
	"struct.Tree":                       of[Tree](treeMUS{}),

	"typed.dtm":                     of(typed.DTMSer),
	"typed.Foo(dtm=300)":            of(typed.NewSer(300, fooMUS)),
	"typed.Foo(dtm=7)":              of(typed.NewSer(7, fooMUS)),
	"union.Shape{1:Circle,2:Label}": of(shapeMUS),
	"ord.slice<union.Shape>":        of(ord.NewSliceSer[Shape](shapeMUS)),
}

var (
	zigzagString = mus.Serializer[string](ord.NewStringSer(stropts.WithLenSer(varint.Int)))
	stringsMUS   = mus.Serializer[[]string](ord.NewSliceSer[string](ord.String))
	mapMUS       = mus.Serializer[map[string]string](ord.NewMapSer[string, string](ord.String, ord.String))
)

func notNegative(value int) error {
	if value < 0 {
		return com.ErrWrongFormat
	}
	return nil
}

// mapped is a serializer of pointers. Equal pointers come back equal.
func mapped[T any](s mus.Serializer[T]) mus.Serializer[[]*T] {
	ids, pointers := com.NewPtrMap(), com.NewReversePtrMap()
	return pm.Wrap[[]*T](ids, pointers, ord.NewSliceSer[*T](pm.NewPtrSer(ids, pointers, s)))
}
