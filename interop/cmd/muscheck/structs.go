package main

import (
	"fmt"

	com "github.com/mus-format/common-go"
	"github.com/mus-format/mus-stream-go"
	"github.com/mus-format/mus-stream-go/typed"
)

// structOf is a serializer of structs: one field after another, nothing else.
type structOf[T any] []fieldOf[T]

// fieldOf is a field of T with its serializer.
type fieldOf[T any] interface {
	marshal(*T, mus.Writer) (int, error)
	unmarshal(*T, mus.Reader) (int, error)
	size(*T) int
	skip(mus.Reader) (int, error)
}

func (s structOf[T]) Marshal(v T, w mus.Writer) (n int, err error) {
	for _, field := range s {
		n1, err := field.marshal(&v, w)
		n += n1
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s structOf[T]) Unmarshal(r mus.Reader) (v T, n int, err error) {
	for _, field := range s {
		n1, err := field.unmarshal(&v, r)
		n += n1
		if err != nil {
			return v, n, err
		}
	}
	return v, n, nil
}

func (s structOf[T]) Size(v T) (size int) {
	for _, field := range s {
		size += field.size(&v)
	}
	return size
}

func (s structOf[T]) Skip(r mus.Reader) (n int, err error) {
	for _, field := range s {
		n1, err := field.skip(r)
		n += n1
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// field is the field of T that at points to.
func field[T, F any](s mus.Serializer[F], at func(*T) *F) fieldOf[T] { return fieldMUS[T, F]{s, at} }

type fieldMUS[T, F any] struct {
	mus.Serializer[F]
	at func(*T) *F
}

func (f fieldMUS[T, F]) marshal(v *T, w mus.Writer) (int, error) { return f.Marshal(*f.at(v), w) }

func (f fieldMUS[T, F]) unmarshal(v *T, r mus.Reader) (n int, err error) {
	*f.at(v), n, err = f.Unmarshal(r)
	return n, err
}

func (f fieldMUS[T, F]) size(v *T) int                  { return f.Size(*f.at(v)) }
func (f fieldMUS[T, F]) skip(r mus.Reader) (int, error) { return f.Skip(r) }

// definedOver is a serializer of T that encodes what is under it.
func definedOver[T, U any](s mus.Serializer[U], under func(T) U, over func(U) T) mus.Serializer[T] {
	return definedMUS[T, U]{s, under, over}
}

type definedMUS[T, U any] struct {
	base  mus.Serializer[U]
	under func(T) U
	over  func(U) T
}

func (s definedMUS[T, U]) Marshal(v T, w mus.Writer) (int, error) {
	return s.base.Marshal(s.under(v), w)
}

func (s definedMUS[T, U]) Unmarshal(r mus.Reader) (T, int, error) {
	v, n, err := s.base.Unmarshal(r)
	return s.over(v), n, err
}

func (s definedMUS[T, U]) Size(v T) int                   { return s.base.Size(s.under(v)) }
func (s definedMUS[T, U]) Skip(r mus.Reader) (int, error) { return s.base.Skip(r) }

// unionOf is a serializer of an interface: the tag of the value's type and the
// value.
type unionOf[I any] []variantOf[I]

// variantOf is a type that implements I.
type variantOf[I any] interface {
	DTM() com.DTM
	// holds tells whether v is of the type.
	holds(v I) bool
	marshal(I, mus.Writer) (int, error)
	unmarshal(mus.Reader) (I, int, error)
	size(I) int
	SkipData(mus.Reader) (int, error)
}

func (s unionOf[I]) Marshal(v I, w mus.Writer) (int, error) {
	for _, variant := range s {
		if variant.holds(v) {
			return variant.marshal(v, w)
		}
	}
	return 0, fmt.Errorf("no serializer for %T", v)
}

func (s unionOf[I]) Unmarshal(r mus.Reader) (v I, n int, err error) {
	variant, n, err := s.find(r)
	if err != nil {
		return v, n, err
	}
	v, n1, err := variant.unmarshal(r)
	return v, n + n1, err
}

func (s unionOf[I]) Size(v I) int {
	for _, variant := range s {
		if variant.holds(v) {
			return variant.size(v)
		}
	}
	return 0
}

func (s unionOf[I]) Skip(r mus.Reader) (n int, err error) {
	variant, n, err := s.find(r)
	if err != nil {
		return n, err
	}
	n1, err := variant.SkipData(r)
	return n + n1, err
}

func (s unionOf[I]) find(r mus.Reader) (variantOf[I], int, error) {
	dtm, n, err := typed.DTMSer.Unmarshal(r)
	if err != nil {
		return nil, n, err
	}
	for _, variant := range s {
		if variant.DTM() == dtm {
			return variant, n, nil
		}
	}
	return nil, n, com.NewUnexpectedDTMError(dtm)
}

// variant is a type that implements I, with its tag.
func variant[I, T any](s typed.Ser[T]) variantOf[I] { return variantMUS[I, T]{s} }

type variantMUS[I, T any] struct{ typed.Ser[T] }

func (s variantMUS[I, T]) holds(v I) bool {
	_, ok := any(v).(T)
	return ok
}

func (s variantMUS[I, T]) marshal(v I, w mus.Writer) (int, error) { return s.Marshal(any(v).(T), w) }

func (s variantMUS[I, T]) unmarshal(r mus.Reader) (v I, n int, err error) {
	data, n, err := s.UnmarshalData(r)
	return any(data).(I), n, err
}

func (s variantMUS[I, T]) size(v I) int { return s.Size(any(v).(T)) }
