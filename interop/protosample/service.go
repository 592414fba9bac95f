// Package protosample is the service that the golden vectors of Protobuf were
// recorded with. Its commands differ from those of package sample, and it has no
// other format.
package protosample

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
)

// Receiver is what the commands run on. The service keeps no state.
type Receiver struct{}

// ErrFail is the error of a Cmd2 that asks for a failure.
var ErrFail = errors.New("the command failed, as it was asked to")

// Cmd1 is answered by a Result1 with the same number.
type Cmd1 struct{ X int64 }

// Exec sends the number back.
func (c Cmd1) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, Result1(c))
	return err
}

// Cmd2 does what its text says. Any other text is sent back:
//
//	fail             it fails
//	stream:N         N results "+1", "+2" and so on, the last one without the plus
//	delay:MS:TEXT    the text after that many milliseconds
type Cmd2 struct{ Y string }

// Exec does what the text says.
func (c Cmd2) Exec(ctx context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	if c.Y == "fail" {
		return ErrFail
	}
	verb, argument, _ := strings.Cut(c.Y, ":")
	switch verb {
	case "stream":
		if count, err := strconv.Atoi(argument); err == nil {
			return stream(count, seq, proxy)
		}
	case "delay":
		number, text, _ := strings.Cut(argument, ":")
		if ms, err := strconv.Atoi(number); err == nil {
			return delay(ctx, time.Duration(ms)*time.Millisecond, text, seq, proxy)
		}
	}
	_, err := proxy.Send(seq, Result2(c))
	return err
}

func stream(count int, seq core.Seq, proxy core.Proxy) error {
	for i := 1; i <= count; i++ {
		text := fmt.Sprintf("+%d", i)
		if i == count {
			text = text[1:]
		}
		if _, err := proxy.Send(seq, Result2{Y: text}); err != nil {
			return err
		}
	}
	return nil
}

func delay(ctx context.Context, wait time.Duration, text string, seq core.Seq, proxy core.Proxy) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		// Not ctx.Err(): to the library, context.Canceled means the end of the
		// whole server.
		return nil
	case <-timer.C:
	}
	_, err := proxy.Send(seq, Result2{Y: text})
	return err
}

// AddCmd is answered by the sum.
type AddCmd struct{ A, B int64 }

// Exec sends the sum.
func (c AddCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, CalcResult{R: c.A + c.B})
	return err
}

// SubCmd is answered by the difference.
type SubCmd struct{ A, B int64 }

// Exec sends the difference.
func (c SubCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, CalcResult{R: c.A - c.B})
	return err
}

// Result1 answers a Cmd1.
type Result1 struct{ X int64 }

// LastOne is true: one result answers the command.
func (r Result1) LastOne() bool { return true }

// Result2 answers a Cmd2.
type Result2 struct{ Y string }

// LastOne is false for all results of a stream except the last.
func (r Result2) LastOne() bool { return !strings.HasPrefix(r.Y, "+") }

// CalcResult answers an AddCmd or a SubCmd.
type CalcResult struct{ R int64 }

// LastOne is true: one result answers a command.
func (r CalcResult) LastOne() bool { return true }
