package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	ccln "github.com/cmd-stream/cmd-stream-go/core/cln"
	dcln "github.com/cmd-stream/cmd-stream-go/delegate/cln"
	"github.com/cmd-stream/cmd-stream-go/sender"

	"interop/format"
	"interop/sample"
	"interop/workload"
)

// edges are values that codecs and their users tend to get wrong.
var edges = []sample.EchoCmd{
	{},
	{Bool: true, Int64: 42, String: "hi", Float64: -0.25},
	{String: "héllo, 世界 🌍"},
	{String: "<a&b>\"\\/\n\t\r\b\f\x01\x7f\u2028\u2029"},
	{String: strings.Repeat("x", 1000)},
	{String: strings.Repeat("語", 100_000)},
	{Int64: math.MaxInt64},
	{Int64: math.MinInt64},
	{Int64: 1<<53 + 1},
	{Float64: math.MaxFloat64},
	{Float64: math.SmallestNonzeroFloat64},
	{Float64: math.Pi},
	{Float64: 0.1},
	{Float64: 1e20},
	{Float64: 1e21},
	{Float64: -1e-7},
}

// edgesOf adds values that JSON cannot express.
func edgesOf(formatName string) []sample.EchoCmd {
	all := slices.Clone(edges)
	switch formatName {
	case format.MUS:
		// Not in Protobuf, where some implementations leave -0 out, like 0.
		all = append(all, sample.EchoCmd{Float64: math.Copysign(0, -1)})
		fallthrough
	case format.Protobuf:
		for _, float := range []float64{math.NaN(), math.Float64frombits(0xfff0_dead_beef_0001), math.Inf(1), math.Inf(-1)} {
			all = append(all, sample.EchoCmd{Float64: float})
		}
	}
	return all
}

// unary makes one call after another.
func unary(d sampleDialer) error {
	return d.with(func(l sampleLink) error {
		for i, cmd := range edgesOf(d.format) {
			if err := sendEcho(l, cmd); err != nil {
				return fmt.Errorf("echo %d: %w", i, err)
			}
		}
		return nil
	})
}

// pipelined makes many calls on one connection, from several goroutines.
func pipelined(d sampleDialer) error {
	return d.with(func(l sampleLink) error {
		return callMany(d.clientOptions, func(_ int, echo sample.EchoCmd) error { return sendEcho(l, echo) })
	})
}

// callMany makes as many calls as the options say, from several goroutines. Each is
// given its number and an echo that is like no other.
func callMany(o clientOptions, call func(int, sample.EchoCmd) error) error {
	var (
		pool   = workload.Pool()
		next   atomic.Int64
		wg     sync.WaitGroup
		errs   = make([]error, o.tasks)
		sendTo = func(task int) error {
			for {
				i := int(next.Add(1)) - 1
				if i >= o.count {
					return nil
				}
				cmd := pool[i%len(pool)]
				cmd.Int64 = int64(i) // no two commands are the same
				if err := call(i, cmd); err != nil {
					return fmt.Errorf("command %d of task %d: %w", i, task, err)
				}
			}
		}
	)
	for task := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[task] = sendTo(task)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// streaming makes a call with several replies, then one with a single reply.
func streaming(d sampleDialer) error {
	return d.with(func(l sampleLink) error {
		if err := expectStream(l, sample.StreamCmd{Init: 10, Count: 5}); err != nil {
			return err
		}
		return sendEcho(l, sample.EchoCmd{String: "after the stream"})
	})
}

// expectStream makes a call with several replies and compares them.
func expectStream(l sampleLink, cmd sample.StreamCmd) error {
	var want []sample.StreamResult
	for i := range cmd.Count {
		want = append(want, sample.StreamResult{Value: cmd.Init + i, Last: i == cmd.Count-1})
	}
	got, err := stream(l, cmd)
	if err == nil && !slices.Equal(got, want) {
		err = unexpected("the stream", got, want)
	}
	return err
}

func stream(l sampleLink, cmd sample.StreamCmd) (got []sample.StreamResult, err error) {
	ctx, cancel := callContext()
	defer cancel()
	sendErr := l.sender.SendMulti(ctx, cmd, cmd.Count, sender.ResultHandlerFn(
		func(result core.Result, resultErr error) error {
			if err = resultErr; err != nil {
				return err
			}
			value, ok := result.(sample.StreamResult)
			if !ok {
				err = unexpected("a reply", result, "a StreamResult")
				return err
			}
			got = append(got, value)
			return nil
		}))
	if sendErr != nil {
		err = sendErr
	}
	return got, err
}

// forgotten forgets a command; its late reply must go to the callback, and the
// connection must go on.
func forgotten(d sampleDialer) error {
	late := make(chan core.AsyncResult, 1)
	callback := func(seq core.Seq, result core.Result) {
		late <- core.AsyncResult{Seq: seq, Result: result}
	}
	return d.with(func(l sampleLink) error {
		if err := sendEcho(l, sample.EchoCmd{String: "before"}); err != nil {
			return err
		}
		results := make(chan core.AsyncResult, 1)
		seq, _, err := l.client.Send(sample.DelayCmd{ID: 7, DelayMS: 200}, results)
		if err != nil {
			return err
		}
		l.client.Forget(seq)
		if err = sendEcho(l, sample.EchoCmd{String: "while it runs"}); err != nil {
			return err
		}
		reply, err := receive(late)
		if err != nil {
			return fmt.Errorf("the late reply: %w", err)
		}
		want := core.AsyncResult{Seq: seq, Result: sample.DelayResult{ID: 7}}
		if reply != want {
			return unexpected("the late reply", reply, want)
		}
		if len(results) != 0 {
			return errors.New("the forgotten command got a reply")
		}
		return sendEcho(l, sample.EchoCmd{String: "after"})
	}, client.WithCore(ccln.WithUnexpectedResultCallback(callback)))
}

// silent makes a call and then says nothing more, not even pings, until the server
// closes the connection.
func silent(d sampleDialer) error {
	return d.with(func(l sampleLink) error {
		if err := sendEcho(l, sample.EchoCmd{String: "before"}); err != nil {
			return err
		}
		fmt.Fprintln(d.out, "waiting")
		select {
		case <-l.client.Done():
			fmt.Fprintf(d.out, "failed: %v\n", l.client.Error())
			return nil
		case <-time.After(callTime):
			return errors.New("the server keeps a silent connection")
		}
	})
}

// keepalive is silent until a few pings were answered, and then makes a call.
func keepalive(d sampleDialer) error {
	interval, pings := d.interval, int64(d.pings)
	return d.with(func(l sampleLink) error {
		if err := sendEchoWithDeadline(l, sample.EchoCmd{String: "before"}); err != nil {
			return err
		}
		sent, received := l.bytesSent()+pings, l.bytesReceived()+pings
		deadline := time.Now().Add(callTime)
		for l.bytesSent() < sent || l.bytesReceived() < received {
			if time.Now().After(deadline) {
				return fmt.Errorf("%d pings and %d pongs are missing",
					max(0, sent-l.bytesSent()), max(0, received-l.bytesReceived()))
			}
			time.Sleep(interval / 5)
		}
		// A ping leaves its write deadline on the connection, which can make a
		// plain Send fail; this call sets its own.
		return sendEchoWithDeadline(l, sample.EchoCmd{String: "after"})
	}, client.WithKeepalive(dcln.WithKeepaliveTime(interval), dcln.WithKeepaliveIntvl(interval)))
}
