package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/sender"

	"interop/sample"
)

// sampleDialer and sampleLink save the scenarios the type parameter.
type (
	sampleDialer = dialer[sample.Receiver]
	sampleLink   = link[sample.Receiver]
)

// scenarios are what a client can do with the sample service. Each fails unless
// everything goes as it should.
var scenarios = map[string]func(sampleDialer) error{
	"unary":      unary,
	"pipelined":  pipelined,
	"group":      grouped,
	"streaming":  streaming,
	"forgotten":  forgotten,
	"failing":    failing,
	"wrong_info": wrongInfo[sample.Receiver],
	"oversize":   oversize,
	"killed":     killed,
	"keepalive":  keepalive,
	"silent":     silent,
}

// callSample runs a scenario.
func callSample(d sampleDialer) error { return play(d, scenarios, "unary") }

// play runs the scenario that the options name, or the usual one.
func play[T any](d dialer[T], scenarios map[string]func(dialer[T]) error, usual string) error {
	if d.scenario == "" {
		d.scenario = usual
	}
	scenario, ok := scenarios[d.scenario]
	if !ok {
		known := slices.Sorted(maps.Keys(scenarios))
		return fmt.Errorf("unknown scenario %q (known: %s)", d.scenario, strings.Join(known, ", "))
	}
	if err := scenario(d); err != nil {
		return fmt.Errorf("%s: %w", d.scenario, err)
	}
	fmt.Fprintln(d.out, "ok")
	return nil
}

// sendEcho sends cmd and compares the reply with it.
func sendEcho(l sampleLink, cmd sample.EchoCmd) error {
	ctx, cancel := callContext()
	defer cancel()
	return compare(cmd)(l.sender.Send(ctx, cmd))
}

// sendEchoWithDeadline is sendEcho under a write deadline of its own.
func sendEchoWithDeadline(l sampleLink, cmd sample.EchoCmd) error {
	ctx, cancel := callContext()
	defer cancel()
	return compare(cmd)(l.sender.SendWithDeadline(ctx, time.Now().Add(callTime), cmd))
}

// compare checks the result of a call.
func compare(cmd sample.EchoCmd) func(core.Result, error) error {
	return func(result core.Result, err error) error {
		if err != nil {
			return err
		}
		if got, ok := result.(sample.EchoResult); !ok || !got.Equal(cmd) {
			return unexpected("the reply", result, sample.EchoResult(cmd))
		}
		return nil
	}
}

// errNoReply means that neither a reply nor a failure came in time.
var errNoReply = errors.New("neither a reply nor a failure in time")

// receive waits for a result of a command sent through the client.
func receive(results <-chan core.AsyncResult) (core.AsyncResult, error) {
	return receiveFor(callTime, results)
}

func receiveFor(limit time.Duration, results <-chan core.AsyncResult) (core.AsyncResult, error) {
	select {
	case result := <-results:
		return result, result.Error
	case <-time.After(limit):
		return core.AsyncResult{}, errNoReply
	}
}

// failed checks that err is a failure of the connection, and not a missing
// answer.
func failed(err error) error {
	switch {
	case err == nil:
		return errors.New("succeeded where it should have failed")
	case errors.Is(err, errNoReply), errors.Is(err, sender.ErrTimeout):
		return err
	}
	return nil
}
