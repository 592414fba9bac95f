package jsoncodec

import (
	"bytes"
	"encoding/json"
	"sync"
)

// keep is the largest buffer worth keeping for the next value. One huge value
// should not hold its memory for ever.
const keep = 64 << 10

var (
	encoders = sync.Pool{New: func() any { return newEncoder() }}
	buffers  = sync.Pool{New: func() any { return new(buffer) }}
)

// encoder writes what json.Marshal writes, into memory that it keeps.
type encoder struct {
	out  bytes.Buffer
	json *json.Encoder
}

func newEncoder() *encoder {
	e := new(encoder)
	e.json = json.NewEncoder(&e.out)
	return e
}

func takeEncoder() *encoder { return encoders.Get().(*encoder) }

// encode returns bytes that are valid until release.
func (e *encoder) encode(value any) ([]byte, error) {
	e.out.Reset()
	if err := e.json.Encode(value); err != nil {
		return nil, err
	}
	// json.Encoder ends a value with a line feed, json.Marshal does not.
	return e.out.Bytes()[:e.out.Len()-1], nil
}

func (e *encoder) release() {
	if e.out.Cap() <= keep {
		encoders.Put(e)
	}
}

// buffer holds a body while it is decoded; encoding/json keeps no part of it.
type buffer struct {
	bytes []byte
}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) release() {
	if cap(b.bytes) <= keep {
		buffers.Put(b)
	}
}
