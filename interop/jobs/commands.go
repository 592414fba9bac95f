// Package jobs is a service whose commands are answered in ways that those of
// package sample are not: never, after Exec has returned, or by a result that says
// why they failed.
package jobs

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
)

// Receiver is what the commands run on.
type Receiver struct {
	texts chan string
	start start
}

// NewReceiver returns a Receiver without logged texts.
func NewReceiver() *Receiver {
	const most = 10_000
	return &Receiver{texts: make(chan string, most)}
}

// LogCmd logs its text, unless that is empty. It is not answered.
type LogCmd struct{ Text string }

// Exec sends nothing. An error would close the connection.
func (c LogCmd) Exec(_ context.Context, _ core.Seq, _ time.Time, r *Receiver, _ core.Proxy) error {
	if c.Text != "" {
		r.texts <- c.Text
	}
	return nil
}

// LogsCmd is answered by Count of the logged texts, once there are as many. Each
// text is returned only once.
type LogsCmd struct{ Count int64 }

// Exec waits for the texts, which are logged in any order, and sorts them.
func (c LogsCmd) Exec(ctx context.Context, seq core.Seq, _ time.Time, r *Receiver, proxy core.Proxy) error {
	texts := make([]string, 0, c.Count)
	for range c.Count {
		select {
		case text := <-r.texts:
			texts = append(texts, text)
		case <-ctx.Done():
			// Not ctx.Err(): to the library, context.Canceled means the end of the
			// whole server.
			return nil
		}
	}
	slices.Sort(texts)
	_, err := proxy.Send(seq, LogsResult{Texts: strings.Join(texts, ",")})
	return err
}

// JobCmd starts a job. It sends Results JobResults once Together jobs have been
// started. A job without results sends a Problem.
type JobCmd struct {
	Job      int64
	Results  int64
	Together int64
}

// Exec returns before anything is sent.
func (c JobCmd) Exec(ctx context.Context, seq core.Seq, _ time.Time, r *Receiver, proxy core.Proxy) error {
	started := r.start.wait(c.Together)
	go func() {
		select {
		case <-started:
		case <-ctx.Done():
			return
		}
		if c.Results == 0 {
			proxy.Send(seq, NoLastReply)
			return
		}
		for number := range c.Results {
			result := JobResult{Job: c.Job, Number: number, Last: number+1 == c.Results}
			if _, err := proxy.Send(seq, result); err != nil {
				return // the connection is gone, as the handler knows
			}
		}
	}()
	return nil
}

// RefuseCmd is answered by a Problem with its fields.
type RefuseCmd struct {
	Code    uint32
	Message string
}

// Exec sends the Problem. To the library it is a result like any other.
func (c RefuseCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ *Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, Problem(c))
	return err
}
