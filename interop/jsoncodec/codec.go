// Package jsoncodec is a JSON codec for the cmd-stream library.
//
// A value travels as
//
//	tag, length, body
//
// where tag and length are varint.PositiveInt and body is what encoding/json
// writes. The tag is the index of the value's type in a list that both sides
// share; commands and results have a list each, numbered from 0. The library
// puts the seq in front.
package jsoncodec

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"
	"github.com/cmd-stream/cmd-stream-go/transport"
	"github.com/mus-format/mus-stream-go/varint"

	"interop/prefixed"
)

// NewClient returns the codec of a client: it encodes commands and decodes
// results. Only the types of the listed values count, and their order.
func NewClient[T any](commands []core.Cmd[T], results []core.Result, opts ...Option) client.Codec[T] {
	return newCodec(commands, results, opts)
}

// NewServer returns the codec of a server: it encodes results and decodes
// commands. The lists are those of the client.
func NewServer[T any](commands []core.Cmd[T], results []core.Result, opts ...Option) server.Codec[T] {
	return newCodec(results, commands, opts)
}

// codec encodes values of the interface E and decodes those of D.
type codec[E, D any] struct {
	options
	tags  map[reflect.Type]int // of the types to encode
	types []reflect.Type       // to decode, by tag
}

func newCodec[E, D any](encoded []E, decoded []D, opts []Option) *codec[E, D] {
	c := &codec[E, D]{tags: make(map[reflect.Type]int)}
	for _, set := range opts {
		set(&c.options)
	}
	for tag, value := range encoded {
		c.tags[reflect.TypeOf(value)] = tag
	}
	for _, value := range decoded {
		c.types = append(c.types, reflect.TypeOf(value))
	}
	return c
}

// Encode writes tag, length and body. It writes nothing if value can't be
// encoded.
func (c *codec[E, D]) Encode(value E, w transport.Writer) (n int, err error) {
	tag, ok := c.tags[reflect.TypeOf(value)]
	if !ok {
		return 0, fmt.Errorf("jsoncodec: %T: %w", value, ErrUnknownType)
	}
	out := takeEncoder()
	defer out.release()
	body, err := out.encode(value)
	if err != nil {
		return 0, fmt.Errorf("jsoncodec: encode %T: %w", value, err)
	}
	if n, err = varint.PositiveInt.Marshal(tag, w); err != nil {
		return n, fmt.Errorf("jsoncodec: write tag: %w", err)
	}
	m, err := prefixed.Write(body, w)
	if err != nil {
		err = fmt.Errorf("jsoncodec: write body: %w", err)
	}
	return n + m, err
}

// Decode reads a value. What it refuses, it refuses as early as it can: an
// unknown tag before the length, a length before the body.
func (c *codec[E, D]) Decode(r transport.Reader) (value D, n int, err error) {
	tag, n, err := varint.PositiveInt.Unmarshal(r)
	if err != nil {
		return value, n, fmt.Errorf("jsoncodec: read tag: %w", err)
	}
	if tag < 0 || tag >= len(c.types) {
		return value, n, fmt.Errorf("jsoncodec: %w", &UnknownTagError{Tag: tag})
	}
	buf := takeBuffer()
	defer buf.release()
	m := 0
	buf.bytes, m, err = prefixed.Read(r, buf.bytes, c.maxLength)
	n += m
	if err != nil {
		return value, n, fmt.Errorf("jsoncodec: read body: %w", err)
	}
	ptr := reflect.New(c.types[tag])
	if err = json.Unmarshal(buf.bytes, ptr.Interface()); err != nil {
		return value, n, fmt.Errorf("jsoncodec: decode %v: %w", c.types[tag], err)
	}
	return ptr.Elem().Interface().(D), n, nil
}
