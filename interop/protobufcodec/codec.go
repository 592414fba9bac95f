// Package protobufcodec is a Protobuf codec for the cmd-stream library: the
// bodies of package tagged are messages. Commands and results are plain types,
// each with a message that carries it (see Of).
package protobufcodec

import (
	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/tagged"
)

const name = "protobufcodec"

// Types of a service, each at the index that is its tag.
type Types struct {
	Commands []tagged.Type
	Results  []tagged.Type
}

// NewClient returns the codec of a client: it encodes commands and decodes
// results. A body longer than maxLength is refused right after its length; 0
// means that there is no limit.
func NewClient[T any](types Types, maxLength int) client.Codec[T] {
	return tagged.New[core.Cmd[T], core.Result](name, types.Commands, types.Results, maxLength)
}

// NewServer returns the codec of a server: it encodes results and decodes
// commands.
func NewServer[T any](types Types, maxLength int) server.Codec[T] {
	return tagged.New[core.Result, core.Cmd[T]](name, types.Results, types.Commands, maxLength)
}
