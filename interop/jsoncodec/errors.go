package jsoncodec

import (
	"errors"
	"fmt"
)

// ErrUnknownType is the failure to encode a value whose type is not on the list.
var ErrUnknownType = errors.New("type is not on the list")

// UnknownTagError is the failure to decode a value whose tag is not on the list.
type UnknownTagError struct {
	Tag int
}

// Error tells the tag.
func (e *UnknownTagError) Error() string { return fmt.Sprintf("unknown tag %d", e.Tag) }
