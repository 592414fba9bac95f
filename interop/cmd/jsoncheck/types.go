package main

import (
	"encoding/json"
	"math"
	"time"
)

// types are the types by name, each with values that implementations tend to get
// wrong.
var types = map[string]kind{
	"bytes":      of([]byte(nil), []byte{}, []byte{1}, []byte{0xfb, 0xff, 0xfe}, make([]byte, 1000)),
	"byte_map":   of(map[string][]byte(nil), map[string][]byte{"a": nil, "b": {}, "c": {1, 2}}),
	"byte_array": of([4]byte{}, [4]byte{1, 2, 3, 255}),
	"duration":   of(time.Duration(0), -1, 1500*time.Millisecond, math.MaxInt64, math.MinInt64),
	"durations":  of([]*time.Duration(nil), []*time.Duration{nil, pointer(time.Hour)}),
	"time": of(time.Time{}, at(0, time.UTC), at(600_000_000, time.FixedZone("CEST", 2*60*60)),
		at(1, time.FixedZone("", -(3*60+30)*60)), at(999_999_999, time.UTC), time.Unix(1<<37, 0).UTC(),
		time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)),
	"times":  of(map[string]*time.Time(nil), map[string]*time.Time{"a": nil, "b": pointer(at(7, time.UTC))}),
	"rune":   of('a', 0, '语', math.MaxInt32, 0xd800, -1),
	"runes":  of([]rune(nil), []rune("a语\x00")),
	"color":  of(Red, Green, Blue),
	"colors": of(map[Color]Color(nil), map[Color]Color{Red: Green, Blue: Blue}),
	"quoted": of(Quoted{}, Quoted{-1, math.MaxUint64, 1.5, true, "a\"<语", pointer(int64(math.MinInt64))},
		Quoted{Float: math.MaxFloat64, Text: "7"}, Quoted{Float: 1e-7}),
	"number":   of(json.Number(""), "0", "-1.50e+400", "123456789012345678901234567890"),
	"numbers":  of(map[string]*json.Number(nil), map[string]*json.Number{"a": nil, "b": pointer(json.Number("1.0"))}),
	"empty":    of(struct{}{}),
	"set":      of(map[string]struct{}(nil), map[string]struct{}{"a": {}, "": {}}),
	"nested":   of(map[string][][]string(nil), map[string][][]string{"a": nil, "b": {nil, {}, {"c"}}}),
	"table":    of(Table{}, Table{Rows: []Row{{}, {Cells: []map[string][]int{nil, {"a": nil, "b": {1}}}}}}),
	"omitted":  of(Omitted{}, Omitted{"a", []int{}, []string{"b"}, pointer(0), time.Time{}, at(0, time.UTC)}),
	"string":   of("", "<>&\u2028\u2029\x00\"\\语🦀"),
	"int":      of(0, math.MaxInt64, math.MinInt64),
	"float":    of(0.0, math.Copysign(0, -1), 1e21, 1e-7, math.MaxFloat64),
	"array":    of([2]int{}, [2]int{1, 2}),
	"point":    of(Point{}, Point{1, -2}),
	"embedded": of(Embedded{}, Embedded{Point{1, -2}, "a", []byte{1}}),
	"raw":      of(json.RawMessage(nil), json.RawMessage("[1.50,null]")),
	"any":      of(any(nil), any([]any{1.5, "a", map[string]any{"b": nil}})),
}

// Color is an enumeration as Go has them.
type Color int

const (
	Red Color = iota
	Green
	Blue
)

// Quoted has fields of all kinds that the option is for.
type Quoted struct {
	Int     int64   `json:",string"`
	Uint    uint64  `json:",string"`
	Float   float64 `json:",string"`
	Bool    bool    `json:",string"`
	Text    string  `json:",string"`
	Pointer *int64  `json:",string"`
}

// Table has nil slices and maps at all depths.
type Table struct {
	Rows []Row
}

// Row is in a Table.
type Row struct {
	Cells []map[string][]int
}

// Omitted has fields that may be left out.
type Omitted struct {
	Name    string    `json:",omitempty"`
	Numbers []int     `json:",omitempty"`
	Words   []string  `json:",omitempty"`
	Pointer *int      `json:",omitempty"`
	Empty   time.Time `json:",omitempty"`
	Zero    time.Time `json:",omitzero"`
}

// Point has fields without tags.
type Point struct {
	X, Y int
}

// Embedded has the fields of another struct among its own.
type Embedded struct {
	Point
	Name string
	Data []byte
}

func at(nanosecond int, zone *time.Location) time.Time {
	return time.Date(2026, time.January, 2, 3, 4, 5, nanosecond, zone)
}

func pointer[T any](value T) *T { return &value }

// kind is what is done with a type.
type kind struct {
	check   func(text string) (string, error)
	samples func() ([]string, error)
}

// of makes the kind of a type from its samples.
func of[T any](values ...T) kind {
	return kind{
		check: func(text string) (string, error) {
			var value T
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				return "", err
			}
			return marshal(value)
		},
		samples: func() ([]string, error) {
			var texts []string
			for _, value := range values {
				text, err := marshal(value)
				if err != nil {
					return nil, err
				}
				texts = append(texts, text)
			}
			return texts, nil
		},
	}
}

func marshal(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}
