package main

import (
	"time"

	"github.com/mus-format/mus-stream-go"
	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/raw"
	"github.com/mus-format/mus-stream-go/typed"
	"github.com/mus-format/mus-stream-go/unsafe"
	"github.com/mus-format/mus-stream-go/varint"
)

// The types that a generator of serializers would be given, in the encodings
// that it picks by default.

// Empty has no bytes.
type Empty struct{}

// Foo has fields of three kinds.
type Foo struct {
	A int
	B bool
	C string
}

// Base is embedded, which makes no difference.
type Base struct{ N int8 }

// Inner is behind a pointer.
type Inner struct {
	ID   uint32
	Tags []string
}

// Outer nests all other kinds of types.
type Outer struct {
	Base
	Foo Foo
	In  *Inner
	M   map[string]uint16
	Arr [2]float32
	At  time.Time
	Raw []byte
}

// Tree is recursive.
type Tree struct {
	Value    int64
	Children []Tree
}

// Shape is a Circle or a Label.
type Shape interface{ shape() }

// Circle is a Shape with the tag 1.
type Circle struct{ R int }

// Label is a Shape with the tag 2.
type Label string

func (Circle) shape() {}
func (Label) shape()  {}

var (
	emptyMUS = structOf[Empty]{}

	fooMUS       = fooWith(ord.String)
	zigzagFooMUS = fooWith(zigzagString)

	innerMUS = structOf[Inner]{
		field(varint.Uint32, func(v *Inner) *uint32 { return &v.ID }),
		field(stringsMUS, func(v *Inner) *[]string { return &v.Tags }),
	}

	outerMUS = structOf[Outer]{
		field(raw.Int8, func(v *Outer) *int8 { return &v.N }),
		field[Outer, Foo](fooMUS, func(v *Outer) *Foo { return &v.Foo }),
		field[Outer, *Inner](ord.NewPtrSer[Inner](innerMUS), func(v *Outer) **Inner { return &v.In }),
		field(mus.Serializer[map[string]uint16](ord.NewMapSer[string, uint16](ord.String, varint.Uint16)),
			func(v *Outer) *map[string]uint16 { return &v.M }),
		field(mus.Serializer[[2]float32](unsafe.NewArraySer[[2]float32](raw.Float32)),
			func(v *Outer) *[2]float32 { return &v.Arr }),
		field(raw.TimeUnixUTC, func(v *Outer) *time.Time { return &v.At }),
		field[Outer, []byte](ord.ByteSlice, func(v *Outer) *[]byte { return &v.Raw }),
	}

	circleMUS = structOf[Circle]{
		field(varint.Int, func(v *Circle) *int { return &v.R }),
	}

	labelMUS = definedOver(ord.String, func(v Label) string { return string(v) }, func(s string) Label { return Label(s) })

	shapeMUS = unionOf[Shape]{
		variant[Shape](typed.NewSer[Circle](1, circleMUS)),
		variant[Shape](typed.NewSer[Label](2, labelMUS)),
	}
)

func fooWith(s mus.Serializer[string]) structOf[Foo] {
	return structOf[Foo]{
		field(varint.Int, func(v *Foo) *int { return &v.A }),
		field(ord.Bool, func(v *Foo) *bool { return &v.B }),
		field(s, func(v *Foo) *string { return &v.C }),
	}
}

func durationMUS(s mus.Serializer[int64]) mus.Serializer[time.Duration] {
	return definedOver(s,
		func(v time.Duration) int64 { return int64(v) },
		func(n int64) time.Duration { return time.Duration(n) })
}

// treeMUS makes the serializer of a level when it reaches it, because a variable
// cannot refer to itself.
type treeMUS struct{}

func (treeMUS) fields() structOf[Tree] {
	return structOf[Tree]{
		field(varint.Int64, func(v *Tree) *int64 { return &v.Value }),
		field[Tree, []Tree](ord.NewSliceSer[Tree](treeMUS{}), func(v *Tree) *[]Tree { return &v.Children }),
	}
}

func (s treeMUS) Marshal(v Tree, w mus.Writer) (int, error) { return s.fields().Marshal(v, w) }
func (s treeMUS) Unmarshal(r mus.Reader) (Tree, int, error) { return s.fields().Unmarshal(r) }
func (s treeMUS) Size(v Tree) int                           { return s.fields().Size(v) }
func (s treeMUS) Skip(r mus.Reader) (int, error)            { return s.fields().Skip(r) }
