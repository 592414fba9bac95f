package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/sender"

	"interop/protosample"
)

type protosampleLink = link[protosample.Receiver]

// callProtosample makes one call after another with edge values, then one with
// several replies and one that takes a while.
func callProtosample(d dialer[protosample.Receiver]) error {
	return d.with(func(l protosampleLink) error {
		for _, call := range protosampleCalls() {
			if err := call.check(l); err != nil {
				return err
			}
		}
		if err := checkProtosampleStream(l); err != nil {
			return err
		}
		fmt.Fprintln(d.out, "ok")
		return nil
	})
}

// protosampleCall is a command and its only reply.
type protosampleCall struct {
	cmd  core.Cmd[protosample.Receiver]
	want core.Result
}

func protosampleCalls() (calls []protosampleCall) {
	for _, x := range []int64{0, 1, -1, 127, 128, 1 << 53, math.MaxInt64, math.MinInt64} {
		calls = append(calls, protosampleCall{protosample.Cmd1{X: x}, protosample.Result1{X: x}})
	}
	for _, y := range []string{
		"", "hi", "héllo, 世界 🌍", "\x00\u2028<>&", "stream:", "delay:soon:x", strings.Repeat("語", 100_000),
	} {
		calls = append(calls, protosampleCall{protosample.Cmd2{Y: y}, protosample.Result2{Y: y}})
	}
	return append(calls,
		protosampleCall{protosample.AddCmd{A: 2, B: 3}, protosample.CalcResult{R: 5}},
		protosampleCall{protosample.SubCmd{A: 8}, protosample.CalcResult{R: 8}},
		protosampleCall{protosample.SubCmd{A: 3, B: 3}, protosample.CalcResult{}},
		protosampleCall{protosample.Cmd2{Y: "delay:50:late: "}, protosample.Result2{Y: "late: "}},
	)
}

func (c protosampleCall) check(l protosampleLink) error {
	ctx, cancel := callContext()
	defer cancel()
	got, err := l.sender.Send(ctx, c.cmd)
	if err == nil && got != c.want {
		err = unexpected("the reply", got, c.want)
	}
	if err != nil {
		return fmt.Errorf("%.100s: %w", fmt.Sprintf("%#v", c.cmd), err)
	}
	return nil
}

func checkProtosampleStream(l protosampleLink) error {
	var (
		got []core.Result
		err error
	)
	ctx, cancel := callContext()
	defer cancel()
	sendErr := l.sender.SendMulti(ctx, protosample.Cmd2{Y: "stream:3"}, 3, sender.ResultHandlerFn(
		func(result core.Result, resultErr error) error {
			if err = resultErr; err == nil {
				got = append(got, result)
			}
			return err
		}))
	if sendErr != nil {
		return sendErr
	}
	want := []core.Result{protosample.Result2{Y: "+1"}, protosample.Result2{Y: "+2"}, protosample.Result2{Y: "3"}}
	if err == nil && !slices.Equal(got, want) {
		err = unexpected("the stream", got, want)
	}
	return err
}
