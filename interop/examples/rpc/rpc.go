// Package rpc is the service of the rpc example: the commands of hello_world behind
// an interface, so that who calls it sees no commands.
package rpc

import (
	"context"

	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/sender"

	"interop/examples/helloworld"
)

// GreeterService greets, wherever it does that.
type GreeterService interface {
	SayHello(ctx context.Context, name string) (string, error)
	SayFancyHello(ctx context.Context, name string) (string, error)
}

// NewGreeterService returns the service at the other end of a sender.
func NewGreeterService(s sender.Sender[helloworld.Greeter]) GreeterService {
	return remoteGreeter{s}
}

type remoteGreeter struct {
	sender sender.Sender[helloworld.Greeter]
}

func (g remoteGreeter) SayHello(ctx context.Context, name string) (string, error) {
	return g.greet(ctx, helloworld.SayHelloCmd(name))
}

func (g remoteGreeter) SayFancyHello(ctx context.Context, name string) (string, error) {
	return g.greet(ctx, helloworld.SayFancyHelloCmd(name))
}

// greet sends a command. Every result of the service is a Greeting.
func (g remoteGreeter) greet(ctx context.Context, cmd core.Cmd[helloworld.Greeter]) (string, error) {
	result, err := g.sender.Send(ctx, cmd)
	if err != nil {
		return "", err
	}
	return string(result.(helloworld.Greeting)), nil
}
