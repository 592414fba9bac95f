package main

import (
	"bytes"
	"fmt"

	"github.com/mus-format/mus-stream-go"
)

// check decodes a value from the begin of in, and encodes it.
type check func(in []byte) (out []byte, consumed int, err error)

// of checks the serializer as well: whether it counts what it reads and writes,
// and knows the size beforehand.
func of[T any](s mus.Serializer[T]) check {
	return func(in []byte) ([]byte, int, error) {
		r := bytes.NewReader(in)
		value, counted, err := s.Unmarshal(r)
		if err != nil {
			return nil, counted, err
		}
		consumed := len(in) - r.Len()
		if counted != consumed {
			return nil, consumed, fmt.Errorf("Unmarshal counted %d of %d bytes", counted, consumed)
		}
		var out bytes.Buffer
		written, err := s.Marshal(value, &out)
		if err != nil {
			return nil, consumed, err
		}
		if size := s.Size(value); written != out.Len() || size != out.Len() {
			return nil, consumed, fmt.Errorf("Marshal counted %d and Size %d of %d bytes", written, size, out.Len())
		}
		return out.Bytes(), consumed, nil
	}
}
