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

// Types of a service, each given by any value of it, at the index that is its
// tag.
type Types[T any] struct {
	Commands []core.Cmd[T]
	Results  []core.Result
}

// NewClient returns the codec of a client: it encodes commands and decodes
// results. A body longer than maxLength is refused right after its length; 0
// means that there is no limit.
func NewClient[T any](types Types[T], maxLength int) client.Codec[T] {
	return tagged.New[core.Cmd[T], core.Result](name, typesOf(types.Commands), typesOf(types.Results), maxLength)
}

// NewServer returns the codec of a server: it encodes results and decodes
// commands.
func NewServer[T any](types Types[T], maxLength int) server.Codec[T] {
	return tagged.New[core.Result, core.Cmd[T]](name, typesOf(types.Results), typesOf(types.Commands), maxLength)
}

func typesOf[V any](values []V) (types []tagged.Type) {
	for _, value := range values {
		types = append(types, jsonType{reflect.TypeOf(value)})
	}
	return types
}
