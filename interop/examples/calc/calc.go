// Package calc is the service of the examples calc_json and calc_protobuf: two
// commands that add and subtract, answered by a number.
package calc

import (
	"context"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
)

// Calculator is what the commands run on.
type Calculator struct{}

// Add returns the sum.
func (Calculator) Add(a, b int) int { return a + b }

// Sub returns the difference.
func (Calculator) Sub(a, b int) int { return a - b }

// AddCmd asks for A + B.
type AddCmd struct{ A, B int }

// Exec answers with the sum.
func (c AddCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, calc Calculator, proxy core.Proxy) error {
	_, err := proxy.Send(seq, CalcResult(calc.Add(c.A, c.B)))
	return err
}

// SubCmd asks for A - B.
type SubCmd struct{ A, B int }

// Exec answers with the difference.
func (c SubCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, calc Calculator, proxy core.Proxy) error {
	_, err := proxy.Send(seq, CalcResult(calc.Sub(c.A, c.B)))
	return err
}

// CalcResult is a bare number in JSON.
type CalcResult int

// LastOne is true: one result answers a command.
func (r CalcResult) LastOne() bool { return true }
