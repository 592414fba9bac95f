// Package format finds codecs by the name of the format. This is the place to
// add another format to.
package format

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/jsoncodec"
	"interop/muscodec"
	"interop/protobufcodec"
)

// The names of the formats.
const (
	JSON     = "json"
	MUS      = "mus"
	Protobuf = "protobuf"
)

var names = []string{JSON, MUS, Protobuf}

// Limit is the largest body that the codecs decode, in bytes. MUS has no length
// of a body: its serializers bound strings and the like, so that no value is
// larger.
const Limit = 4 << 20

// Service is what the formats know of a service. A format may be left out.
type Service[T any] struct {
	// JSON lists the types, each at the index that is its tag.
	JSON jsoncodec.Types[T]
	// MUS has the serializers, which know the tags.
	MUS muscodec.Serializers[T]
	// Protobuf lists the types, each at the index that is its tag.
	Protobuf protobufcodec.Types
}

// Codecs is a codec for each end of a connection.
type Codecs[T any] struct {
	Client client.Codec[T]
	Server server.Codec[T]
}

// New returns the codecs of the named format for a service.
func New[T any](name string, service Service[T]) (codecs Codecs[T], err error) {
	switch {
	case name == JSON && service.JSON.Commands != nil:
		codecs.Client = jsoncodec.NewClient(service.JSON, Limit)
		codecs.Server = jsoncodec.NewServer(service.JSON, Limit)
	case name == MUS && service.MUS.Commands != nil:
		codecs.Client = muscodec.NewClient(service.MUS)
		codecs.Server = muscodec.NewServer(service.MUS)
	case name == Protobuf && service.Protobuf.Commands != nil:
		codecs.Client = protobufcodec.NewClient[T](service.Protobuf, Limit)
		codecs.Server = protobufcodec.NewServer[T](service.Protobuf, Limit)
	case slices.Contains(names, name):
		err = fmt.Errorf("the service has no values in the format %s", name)
	default:
		err = fmt.Errorf("unknown format %q (known: %s)", name, strings.Join(names, ", "))
	}
	return codecs, err
}
