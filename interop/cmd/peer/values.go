package main

import (
	"fmt"
	"math"

	"interop/values"
)

// callValues makes one call after another, with edge values and then with floats
// of all exponents.
func callValues(d dialer[values.Receiver]) error {
	const floats = 1000
	return d.with(func(l link[values.Receiver]) error {
		cmds := values.Edges()
		for n := range uint64(floats) {
			bits := (n + 1) * 0x9E3779B97F4A7C15
			if f := math.Float64frombits(bits); !math.IsNaN(f) && !math.IsInf(f, 0) {
				cmds = append(cmds, values.Cmd{Float64: f})
			}
			if f := math.Float32frombits(uint32(bits >> 32)); f == f && !math.IsInf(float64(f), 0) {
				cmds = append(cmds, values.Cmd{Float32: f})
			}
		}
		for i, cmd := range cmds {
			if err := sendValues(l, cmd); err != nil {
				return fmt.Errorf("values %d: %w", i, err)
			}
		}
		fmt.Fprintln(d.out, "ok")
		return nil
	})
}

func sendValues(l link[values.Receiver], cmd values.Cmd) error {
	ctx, cancel := callContext()
	defer cancel()
	reply, err := l.sender.Send(ctx, cmd)
	if err != nil {
		return err
	}
	if result, ok := reply.(values.Result); !ok || !result.Equal(cmd) {
		return unexpected("the reply", reply, cmd)
	}
	return nil
}
