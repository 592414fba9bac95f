// Package format finds codecs by the name of their format. This is the place to
// add another format to.
package format

import (
	"fmt"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/jsoncodec"
)

// JSON is the name of the format of package jsoncodec.
const JSON = "json"

// Limit is the largest body that the codecs decode, in bytes.
const Limit = 4 << 20

// Codecs is a codec for each end of a connection.
type Codecs[T any] struct {
	Client client.Codec[T]
	Server server.Codec[T]
}

// New returns the codecs of the named format for a service with these commands
// and results.
func New[T any](name string, commands []core.Cmd[T], results []core.Result) (codecs Codecs[T], err error) {
	switch name {
	case JSON:
		limit := jsoncodec.WithMaxLength(Limit)
		codecs.Client = jsoncodec.NewClient(commands, results, limit)
		codecs.Server = jsoncodec.NewServer(commands, results, limit)
		return codecs, nil
	}
	return codecs, fmt.Errorf("unknown format %q (known: %s)", name, JSON)
}
