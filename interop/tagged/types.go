// Package tagged is the codec for formats with a body of known length. A value
// travels as
//
//	tag, length, body
//
// where tag and length are varint.PositiveInt. The tag is the index of the
// value's type in a list that both sides share; commands and results have a list
// each, numbered from 0. The library puts the seq in front. The types define the
// bodies.
package tagged

import (
	"errors"
	"fmt"
	"reflect"
)

// Type knows the values of one Go type and their bodies.
type Type interface {
	// Of is the type of the values.
	Of() reflect.Type
	// Append appends the body of a value to buf. When it fails, the returned
	// bytes have no meaning.
	Append(buf []byte, value any) ([]byte, error)
	// Decode makes a value of a body. It does not keep the body.
	Decode(body []byte) (any, error)
}

// ErrUnknownType is the failure to encode a value whose type is not on the list.
var ErrUnknownType = errors.New("type is not on the list")

// UnknownTagError is the failure to decode a value whose tag is not on the list.
type UnknownTagError struct {
	Tag int
}

// Error names the tag.
func (e *UnknownTagError) Error() string { return fmt.Sprintf("unknown tag %d", e.Tag) }

// BodyError is the failure to decode a body that has arrived whole.
type BodyError struct {
	Type  reflect.Type
	Cause error
}

// Error names the type and the cause.
func (e *BodyError) Error() string { return fmt.Sprintf("decode %v: %v", e.Type, e.Cause) }

// Unwrap returns the cause.
func (e *BodyError) Unwrap() error { return e.Cause }
