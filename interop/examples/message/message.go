// Package message is the service of the examples tls, keepalive, reconnect and
// resilient: a text that is sent back.
package message

import (
	"context"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"

	"interop/format"
	"interop/jsoncodec"
)

// Receiver is what the command runs on. It has nothing to do.
type Receiver struct{}

// EchoCmd asks for the text back. In JSON it is a string.
type EchoCmd string

// Exec sends the text back.
func (c EchoCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, Echo(c))
	return err
}

// Echo answers an EchoCmd.
type Echo string

// LastOne is true: one result answers a command.
func (e Echo) LastOne() bool { return true }

// Formats returns what the formats know of the service.
func Formats() format.Service[Receiver] {
	return format.Service[Receiver]{
		JSON: jsoncodec.Types[Receiver]{
			Commands: []core.Cmd[Receiver]{EchoCmd("")},
			Results:  []core.Result{Echo("")},
		},
	}
}
