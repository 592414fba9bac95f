package jsoncodec

import (
	"encoding/json"
	"reflect"
	"sync"
)

// jsonType is a type whose values have JSON for a body.
type jsonType struct {
	of reflect.Type
}

func (t jsonType) Of() reflect.Type { return t.of }

func (t jsonType) Append(buf []byte, value any) ([]byte, error) {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.out = buf
	err := e.json.Encode(value)
	out := e.out
	e.out = nil
	if err != nil {
		return nil, err
	}
	// json.Encoder ends a value with a line feed, json.Marshal does not.
	return out[:len(out)-1], nil
}

func (t jsonType) Decode(body []byte) (any, error) {
	ptr := reflect.New(t.of)
	if err := json.Unmarshal(body, ptr.Interface()); err != nil {
		return nil, err
	}
	return ptr.Elem().Interface(), nil
}

var encoders = sync.Pool{New: func() any { return newEncoder() }}

// encoder appends what json.Marshal writes, without the buffer of its own that
// json.Marshal returns.
type encoder struct {
	out  []byte
	json *json.Encoder
}

func newEncoder() *encoder {
	e := new(encoder)
	e.json = json.NewEncoder(e)
	return e
}

// Write implements io.Writer.
func (e *encoder) Write(p []byte) (int, error) {
	e.out = append(e.out, p...)
	return len(p), nil
}
