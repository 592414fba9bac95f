// Package jsoncodec is a JSON codec for the cmd-stream library: the bodies of
// package tagged are what encoding/json writes.
package jsoncodec

import (
	"reflect"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/tagged"
)

const name = "jsoncodec"

// NewClient returns the codec of a client: it encodes commands and decodes
// results. Only the types of the listed values count, and their order.
func NewClient[T any](commands []core.Cmd[T], results []core.Result, opts ...Option) client.Codec[T] {
	return tagged.New[core.Cmd[T], core.Result](name, typesOf(commands), typesOf(results), maxLength(opts))
}

// NewServer returns the codec of a server: it encodes results and decodes
// commands. The lists are those of the client.
func NewServer[T any](commands []core.Cmd[T], results []core.Result, opts ...Option) server.Codec[T] {
	return tagged.New[core.Result, core.Cmd[T]](name, typesOf(results), typesOf(commands), maxLength(opts))
}

func typesOf[V any](values []V) (types []tagged.Type) {
	for _, value := range values {
		types = append(types, jsonType{reflect.TypeOf(value)})
	}
	return types
}
