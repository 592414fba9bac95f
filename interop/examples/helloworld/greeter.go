// Package helloworld is the service of the hello_world example: two commands that
// greet somebody, answered by a greeting.
package helloworld

import (
	"context"
	"strings"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
)

// Greeter is what the commands run on.
type Greeter struct{}

// Greet joins words.
func (Greeter) Greet(words ...string) Greeting { return Greeting(strings.Join(words, " ")) }

// SayHelloCmd asks to greet somebody.
type SayHelloCmd string

// Exec answers with a greeting.
func (c SayHelloCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, greeter Greeter, proxy core.Proxy) error {
	_, err := proxy.Send(seq, greeter.Greet("Hello", string(c)))
	return err
}

// SayFancyHelloCmd asks for more than that.
type SayFancyHelloCmd string

// Exec answers with a greeting.
func (c SayFancyHelloCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, greeter Greeter, proxy core.Proxy) error {
	_, err := proxy.Send(seq, greeter.Greet("Hello", "incredible", string(c)))
	return err
}

// Greeting answers a command.
type Greeting string

// LastOne is true: one greeting answers a command.
func (g Greeting) LastOne() bool { return true }
