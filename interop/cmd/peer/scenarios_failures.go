package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
	dcln "github.com/cmd-stream/cmd-stream-go/delegate/cln"

	"interop/format"
	"interop/sample"
)

// failing sends a command that fails on the server, which closes the connection
// and so fails an unrelated command too.
func failing(d sampleDialer) error {
	return d.with(func(l sampleLink) error {
		pending, fail := make(chan core.AsyncResult, 1), make(chan core.AsyncResult, 1)
		if _, _, err := l.client.Send(sample.DelayCmd{ID: 1, DelayMS: 30_000}, pending); err != nil {
			return err
		}
		if _, _, err := l.client.Send(sample.FailCmd{}, fail); err != nil {
			return err
		}
		for _, command := range []struct {
			name    string
			results chan core.AsyncResult
		}{{"failing", fail}, {"pending", pending}} {
			_, err := receive(command.results)
			if unmet := failed(err); unmet != nil {
				return fmt.Errorf("the %s command: %w", command.name, unmet)
			}
			fmt.Fprintf(d.out, "%s command: %v\n", command.name, err)
		}
		return nil
	})
}

// wrongInfo expects another server info than the server has.
func wrongInfo[T any](d dialer[T]) error {
	if d.info == "" {
		d.info = "the info of another service"
	}
	err := d.with(func(link[T]) error { return nil })
	if !errors.Is(err, dcln.ErrServerInfoMismatch) {
		return unexpected("the error", err, dcln.ErrServerInfoMismatch)
	}
	fmt.Fprintf(d.out, "failed: %v\n", err)
	return nil
}

// oversize sends a command within the limit of the server, and one above it.
func oversize(d sampleDialer) error {
	return d.with(func(l sampleLink) error {
		if err := sendEcho(l, sample.EchoCmd{String: strings.Repeat("x", format.Limit/4)}); err != nil {
			return fmt.Errorf("within the limit: %w", err)
		}
		ctx, cancel := callContext()
		defer cancel()
		_, err := l.sender.Send(ctx, sample.EchoCmd{String: strings.Repeat("x", format.Limit)})
		if unmet := failed(err); unmet != nil {
			return fmt.Errorf("above the limit: %w", unmet)
		}
		fmt.Fprintf(d.out, "failed: %v\n", err)
		return nil
	})
}

// killed waits for the server to die while a command is running.
func killed(d sampleDialer) error {
	const running = time.Minute
	return d.with(func(l sampleLink) error {
		results := make(chan core.AsyncResult, 1)
		cmd := sample.DelayCmd{ID: 1, DelayMS: int(running.Milliseconds())}
		if _, _, err := l.client.Send(cmd, results); err != nil {
			return err
		}
		fmt.Fprintln(d.out, "waiting")
		_, err := receiveFor(running+callTime, results)
		if unmet := failed(err); unmet != nil {
			return unmet
		}
		fmt.Fprintf(d.out, "failed: %v\n", err)
		return nil
	})
}
