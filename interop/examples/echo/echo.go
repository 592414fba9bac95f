// Package echo is the service of the echo example: one command and one result,
// each a string, with a codec of their own. As there is nothing to tell apart, a
// value is only the length of the string, a varint.PositiveInt, and its bytes.
package echo

import (
	"context"
	"fmt"
	"time"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"
	"github.com/cmd-stream/cmd-stream-go/transport"

	"interop/prefixed"
)

// Receiver is what the command runs on. It has nothing to do.
type Receiver struct{}

// EchoCmd asks for the string back.
type EchoCmd string

// Exec sends the string back.
func (c EchoCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, Echo(c))
	return err
}

// Echo answers an EchoCmd.
type Echo string

// LastOne is true: one result answers a command.
func (e Echo) LastOne() bool { return true }

// NewClientCodec returns the codec of a client. It refuses results above limit.
func NewClientCodec(limit int) client.Codec[Receiver] { return clientCodec{limit} }

// NewServerCodec returns the codec of a server. It refuses commands above limit.
func NewServerCodec(limit int) server.Codec[Receiver] { return serverCodec{limit} }

type clientCodec struct{ limit int }

func (c clientCodec) Encode(cmd core.Cmd[Receiver], w transport.Writer) (int, error) {
	text, ok := cmd.(EchoCmd)
	if !ok {
		return 0, fmt.Errorf("echo: not an EchoCmd but a %T", cmd)
	}
	return prefixed.Write([]byte(text), w)
}

func (c clientCodec) Decode(r transport.Reader) (core.Result, int, error) {
	text, n, err := prefixed.Read(r, nil, c.limit)
	return Echo(text), n, err
}

type serverCodec struct{ limit int }

func (c serverCodec) Encode(result core.Result, w transport.Writer) (int, error) {
	text, ok := result.(Echo)
	if !ok {
		return 0, fmt.Errorf("echo: not an Echo but a %T", result)
	}
	return prefixed.Write([]byte(text), w)
}

func (c serverCodec) Decode(r transport.Reader) (core.Cmd[Receiver], int, error) {
	text, n, err := prefixed.Read(r, nil, c.limit)
	return EchoCmd(text), n, err
}
