package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cmd-stream/cmd-stream-go/client"
	dcln "github.com/cmd-stream/cmd-stream-go/delegate/cln"

	"interop/examples/message"
)

// The times of the examples keepalive and reconnect.
const (
	keepaliveReceiveTime = 500 * time.Millisecond
	keepaliveTime        = 200 * time.Millisecond
	reconnectInterval    = 200 * time.Millisecond
	reconnectPatience    = 15 * time.Second
	// tryTime is how long one attempt at a call may take. The library keeps some
	// calls for ever that were made while a connection was lost.
	tryTime = time.Second
)

// callKeepalive prints what the keepalive example prints.
func callKeepalive(d dialer[message.Receiver]) error {
	return d.with(func(l link[message.Receiver]) error {
		say := func(text string) error {
			ctx, cancel := callContext()
			defer cancel()
			// A ping leaves its write deadline on the connection, which can make a
			// plain Send fail; this call sets its own.
			result, err := l.sender.SendWithDeadline(ctx, time.Now().Add(callTime), message.EchoCmd(text))
			if err == nil {
				fmt.Fprintf(d.out, "Sending %q... Result: %q\n", text, result)
			}
			return err
		}
		if err := say("one"); err != nil {
			return err
		}
		fmt.Fprintln(d.out, "Ping-Pong time...")
		time.Sleep(time.Second)
		return say("two")
	}, client.WithKeepalive(dcln.WithKeepaliveTime(keepaliveTime), dcln.WithKeepaliveIntvl(keepaliveTime)))
}

// reconnectScenarios are what a client can do with the service reconnect.
var reconnectScenarios = map[string]func(*lastingClient) error{
	"example": reconnect,
	"traffic": sendTraffic,
}

func callReconnect(d dialer[message.Receiver]) error {
	scenario := d.scenario
	if scenario == "" {
		scenario = "example"
	}
	run, ok := reconnectScenarios[scenario]
	if !ok {
		return fmt.Errorf("unknown scenario %q (known: example, traffic)", scenario)
	}
	c := &lastingClient{dialer: d}
	defer c.close()
	return run(c)
}

// reconnect prints what the reconnect example prints: a message every 200 ms. What
// fails is sent again, because an echo may be executed twice.
func reconnect(c *lastingClient) error {
	end := time.Now().Add(time.Duration(c.seconds) * time.Second)
	for {
		text := c.textOr("message")
		if err := c.sayUntil(time.Now().Add(reconnectPatience), text); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "Sending %q... Result: %q\n", text, text)
		if !time.Now().Add(reconnectInterval).Before(end) {
			return nil
		}
		time.Sleep(reconnectInterval)
	}
}

// sendTraffic sends numbered messages of different lengths, each of them once, until
// SIGTERM. It prints what became of each.
func sendTraffic(c *lastingClient) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var (
		out  = log.New(c.out, "", 0)
		next = atomic.Int64{}
		errs = make([]error, c.tasks)
		wg   sync.WaitGroup
	)
	next.Store(int64(c.first))
	for task := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for ctx.Err() == nil {
				number := next.Add(1) - 1
				err := c.say(trafficText(number, int64(c.longest)))
				switch {
				case err == nil:
					out.Printf("answered %d", number)
				case errors.As(err, new(wrongReply)):
					errs[task] = err
					stop()
				default:
					out.Printf("failed %d: %v", number, err)
				}
				time.Sleep(time.Millisecond)
			}
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// trafficText begins with the number. Its length is up to about longest bytes, so
// that now and then a connection is lost inside a frame.
func trafficText(number, longest int64) string {
	return fmt.Sprintf("%d %s", number, strings.Repeat("x", int(number*7919%longest)))
}

// wrongReply is the worst that can happen.
type wrongReply struct{ error }

// lastingClient sends messages through a group of clients of the library that
// reconnect, of one by default. It makes another group when a client has ended for
// good, as it does after a loss inside a frame.
type lastingClient struct {
	dialer[message.Receiver]
	mu      sync.Mutex
	current *clientGroup[message.Receiver]
}

// sayUntil sends a message, and again if that fails, until the deadline.
func (c *lastingClient) sayUntil(deadline time.Time, text string) error {
	for {
		err := c.say(text)
		if err == nil || errors.As(err, new(wrongReply)) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// say sends a message and compares the reply.
func (c *lastingClient) say(text string) error {
	current, err := c.lasting()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), tryTime)
	defer cancel()
	result, err := current.sender.Send(ctx, message.EchoCmd(text))
	if err == nil && result != message.Echo(text) {
		return wrongReply{unexpected("the reply", result, text)}
	}
	return err
}

func (c *lastingClient) lasting() (*clientGroup[message.Receiver], error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		if !c.current.ended() {
			return c.current, nil
		}
		c.current.sender.Close()
		c.current = nil
		fmt.Fprintln(c.errs, "peer: a client has ended: another group")
	}
	connected, err := c.group(c.clientsOr(1), groupOptions[message.Receiver]{})
	if err != nil {
		return nil, err
	}
	c.current = &connected
	return c.current, nil
}

func (c *lastingClient) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		c.current.sender.Close()
	}
}
