// Package serverstreaming is the service of the server_streaming example: one
// command that is answered by several results.
package serverstreaming

import (
	"context"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
)

// Greeter is what the command runs on.
type Greeter struct{}

// Greetings returns what to say to name, in order.
func (Greeter) Greetings(name string) []string { return []string{"Hello", "incredible", name} }

// SayFancyHelloMultiCmd asks to greet somebody, one word per result.
type SayFancyHelloMultiCmd string

// Exec sends the words, the final one marked as the last.
func (c SayFancyHelloMultiCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, greeter Greeter, proxy core.Proxy) error {
	words := greeter.Greetings(string(c))
	for i, word := range words {
		if _, err := proxy.Send(seq, Greeting{Message: word, Last: i == len(words)-1}); err != nil {
			return err
		}
	}
	return nil
}

// Greeting is one word of a greeting.
type Greeting struct {
	Message string
	Last    bool
}

// LastOne tells whether no more words follow.
func (g Greeting) LastOne() bool { return g.Last }
