package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"sync"
	"time"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	dcln "github.com/cmd-stream/cmd-stream-go/delegate/cln"
	"github.com/cmd-stream/cmd-stream-go/sender"
	"github.com/cmd-stream/cmd-stream-go/sender/hooks"
	"github.com/ymz-ncnk/circbrk-go"

	"interop/examples/message"
)

// The settings of the example resilient.
const (
	resilientClients   = 2
	resilientCallTime  = 100 * time.Millisecond
	resilientKeepalive = time.Second
	breakerWindow      = 4
	breakerRate        = 0.5
	breakerOpenTime    = time.Second
	breakerSuccesses   = 1
	// resilientPatience is how long the client waits for the server to stop, and
	// then for it to return.
	resilientPatience = 15 * time.Second
)

// callResilient prints what the resilient example prints. Message 1 is answered. When
// the server has stopped, messages 2 to 4 fail; the second failure opens the circuit
// breaker, so that the last one is refused. When the server has returned, message 5
// is answered.
func callResilient(d dialer[message.Receiver]) error {
	var (
		out     = log.New(d.out, "", 0) // the breaker prints from other goroutines
		lost    = make(chan struct{}, 100)
		breaker = circbrk.New(
			circbrk.WithWindowSize(breakerWindow),
			circbrk.WithFailureRate(breakerRate),
			circbrk.WithOpenDuration(breakerOpenTime),
			circbrk.WithSuccessThreshold(breakerSuccesses),
			circbrk.WithChangeStateCallback(func(state circbrk.State) {
				out.Printf("Circuit breaker state changed to: %v", state)
			}),
		)
		breaking = hooks.NewCircuitBreakerHooksFactory(breaker, hooks.NoopHooksFactory[message.Receiver]{})
	)
	g, err := d.group(resilientClients, groupOptions[message.Receiver]{
		client: []client.SetOption{client.WithKeepalive(
			dcln.WithKeepaliveTime(resilientKeepalive), dcln.WithKeepaliveIntvl(resilientKeepalive),
		)},
		sender: []sender.SetOption[message.Receiver]{sender.WithHooksFactory(breaking)},
		wrap:   func(conn net.Conn) net.Conn { return &observedConn{Conn: conn, lost: lost} },
	})
	if err != nil {
		return err
	}
	defer g.sender.Close()
	say := func(limit time.Duration, text string) (core.Result, error) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		// A ping leaves its write deadline on the connection, which can make a plain
		// Send fail; this call sets its own.
		return g.sender.SendWithDeadline(ctx, time.Now().Add(limit), message.EchoCmd(text))
	}
	answered := func(text string, result core.Result) error {
		if result != message.Echo(text) {
			return unexpected("the reply", result, text)
		}
		out.Printf("Sending %q... Result: %q", text, result)
		return nil
	}

	result, err := say(callTime, "message1")
	if err != nil {
		return err
	}
	if err = answered("message1", result); err != nil {
		return err
	}
	for range resilientClients {
		select {
		case <-lost:
		case <-time.After(resilientPatience):
			return errors.New("the server has not stopped")
		}
	}

	for _, text := range []string{"message2", "message3", "message4"} {
		for deadline := time.Now().Add(resilientPatience); ; {
			result, err = say(resilientCallTime, text)
			if err == nil {
				return fmt.Errorf("%s was answered with %q, and the server had stopped", text, result)
			}
			// The hooks count an error that comes as a result as a success: message 2 may
			// have been such a one. Then message 3 alone does not open the breaker.
			if text != "message3" || breaker.State() == circbrk.Open || time.Now().After(deadline) {
				break
			}
		}
		out.Printf("Sending %q... Error: %v", text, err)
	}
	if !errors.Is(err, hooks.ErrNotAllowed) {
		return fmt.Errorf("message4 was let through, and failed with: %w", err)
	}

	for deadline := time.Now().Add(resilientPatience); ; {
		// While the breaker is open, this fails at once.
		if result, err = say(resilientCallTime, "message5"); err == nil {
			return answered("message5", result)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server has not returned: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// observedConn tells when the other end has closed it.
type observedConn struct {
	net.Conn
	lost chan<- struct{}
	once sync.Once
}

func (c *observedConn) Read(p []byte) (n int, err error) {
	n, err = c.Conn.Read(p)
	if timeout, ok := err.(net.Error); err != nil && !(ok && timeout.Timeout()) {
		c.once.Do(func() { c.lost <- struct{}{} })
	}
	return n, err
}
