// Package muscodec is a MUS codec for the cmd-stream library. It sends what a
// serializer of the command or result interface writes, usually a DTM and the
// data. There is no length, and only the serializer sets limits.
package muscodec

import (
	"fmt"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"
	"github.com/cmd-stream/cmd-stream-go/transport"
	"github.com/mus-format/mus-stream-go"
)

// Serializer is the part of a mus.Serializer that a codec uses.
type Serializer[V any] interface {
	Marshal(value V, w mus.Writer) (n int, err error)
	Unmarshal(r mus.Reader) (value V, n int, err error)
}

// Serializers of a service, for both ends.
type Serializers[T any] struct {
	Commands Serializer[core.Cmd[T]]
	Results  Serializer[core.Result]
}

// NewClient returns the codec of a client: it encodes commands and decodes
// results.
func NewClient[T any](s Serializers[T]) client.Codec[T] {
	return codec[core.Cmd[T], core.Result]{s.Commands, s.Results}
}

// NewServer returns the codec of a server: it encodes results and decodes
// commands.
func NewServer[T any](s Serializers[T]) server.Codec[T] {
	return codec[core.Result, core.Cmd[T]]{s.Results, s.Commands}
}

// codec encodes values of the interface E and decodes those of D.
type codec[E, D any] struct {
	encoded Serializer[E]
	decoded Serializer[D]
}

// Encode writes the value straight into w, which buffers.
func (c codec[E, D]) Encode(value E, w transport.Writer) (n int, err error) {
	if n, err = c.encoded.Marshal(value, w); err != nil {
		err = fmt.Errorf("muscodec: encode %T: %w", value, err)
	}
	return n, err
}

// Decode reads a value.
func (c codec[E, D]) Decode(r transport.Reader) (value D, n int, err error) {
	if value, n, err = c.decoded.Unmarshal(r); err != nil {
		err = fmt.Errorf("muscodec: %w", err)
	}
	return value, n, err
}
