// Package sample is the service that both implementations of cmd-stream are
// tested with. Its types, their order and what the commands do are those of the
// golden vectors in wire/vectors.
package sample

import (
	"context"
	"errors"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
)

// Receiver is what the commands run on. The sample service keeps no state.
type Receiver struct{}

// ErrFail is what FailCmd fails with.
var ErrFail = errors.New("the command failed, as it was asked to")

// EchoCmd is answered by one EchoResult with the same fields.
type EchoCmd struct {
	Bool    bool
	Int64   int64
	String  string
	Float64 float64
}

// Exec sends the fields back.
func (c EchoCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, EchoResult(c))
	return err
}

// StreamCmd is answered by Count StreamResults: Init, Init+1 and so on.
type StreamCmd struct {
	Init  int
	Count int
}

// Exec sends the results, the final one marked as the last.
func (c StreamCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	for i := range c.Count {
		result := StreamResult{Value: c.Init + i, Last: i == c.Count-1}
		if _, err := proxy.Send(seq, result); err != nil {
			return err
		}
	}
	return nil
}

// FailCmd fails on the server, which closes the connection.
type FailCmd struct{}

// Exec returns ErrFail.
func (c FailCmd) Exec(context.Context, core.Seq, time.Time, Receiver, core.Proxy) error {
	return ErrFail
}

// DelayCmd is answered by a DelayResult with the same ID after DelayMS
// milliseconds.
type DelayCmd struct {
	ID      int
	DelayMS int
}

// Exec waits, and gives up if the connection goes before the time has passed.
func (c DelayCmd) Exec(ctx context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	delay := time.NewTimer(time.Duration(c.DelayMS) * time.Millisecond)
	defer delay.Stop()
	select {
	case <-ctx.Done():
		// Not ctx.Err(): to the library, context.Canceled means the end of the
		// whole server.
		return nil
	case <-delay.C:
	}
	_, err := proxy.Send(seq, DelayResult{ID: c.ID})
	return err
}

// TraceCmd carries a command together with a trace context.
type TraceCmd[C core.Cmd[Receiver]] struct {
	MapCarrier *map[string]string
	Cmd        C
}

// Exec runs the inner command.
func (c TraceCmd[C]) Exec(ctx context.Context, seq core.Seq, at time.Time, receiver Receiver, proxy core.Proxy) error {
	return c.Cmd.Exec(ctx, seq, at, receiver, proxy)
}

// Carrier returns the trace context, nil if there is none.
func (c TraceCmd[C]) Carrier() map[string]string {
	if c.MapCarrier == nil {
		return nil
	}
	return *c.MapCarrier
}

// Inner returns the command that is carried with the trace context.
func (c TraceCmd[C]) Inner() any { return c.Cmd }
