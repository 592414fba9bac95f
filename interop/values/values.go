// Package values is a service that echoes kinds of values that the sample service
// lacks. Another implementation must read what encoding/json writes for them, and
// the other way round.
package values

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"

	"interop/format"
	"interop/jsoncodec"
)

// Receiver is what the command runs on. It has nothing to do.
type Receiver struct{}

// Formats returns what the formats know of the service, which is about JSON
// alone.
func Formats() format.Service[Receiver] {
	return format.Service[Receiver]{JSON: jsoncodec.Types[Receiver]{
		Commands: []core.Cmd[Receiver]{Cmd{}},
		Results:  []core.Result{Result{}},
	}}
}

// Cmd asks for its fields back.
type Cmd struct {
	Uint64  uint64
	Uint8   uint8
	Int8    int8
	Float32 float32
	Float64 float64
	Words   []string
	Counts  map[string]int64
	Pointer *int64
	Inner   Inner
}

// Inner is a struct within a struct.
type Inner struct {
	Name string `json:"name,omitempty"`
}

// Exec sends the fields back.
func (c Cmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, Result(c))
	return err
}

// Result answers a Cmd.
type Result Cmd

// LastOne is true: one result answers a command.
func (r Result) LastOne() bool { return true }

// Equal compares all values and the bits of floats. A nil slice or map is equal
// to an empty one, as not every language has both.
func (r Result) Equal(c Cmd) bool {
	return r.Uint64 == c.Uint64 && r.Uint8 == c.Uint8 && r.Int8 == c.Int8 && r.Inner == c.Inner &&
		math.Float32bits(r.Float32) == math.Float32bits(c.Float32) &&
		math.Float64bits(r.Float64) == math.Float64bits(c.Float64) &&
		slices.Equal(r.Words, c.Words) && maps.Equal(r.Counts, c.Counts) &&
		(r.Pointer == nil) == (c.Pointer == nil) && (r.Pointer == nil || *r.Pointer == *c.Pointer)
}

// Edges are values that implementations tend to get wrong.
func Edges() []Cmd {
	least := int64(math.MinInt64)
	edges := []Cmd{
		{},
		{Uint64: math.MaxUint64, Uint8: math.MaxUint8, Int8: math.MinInt8, Pointer: &least},
		{Uint64: math.MaxInt64},
		{Uint64: math.MaxInt64 + 1},
		{Uint64: 1<<53 + 1},
		{Words: []string{}, Counts: map[string]int64{}},
		{Words: []string{"", "语", "\x00\u2028<>&"}, Counts: map[string]int64{"": -1, "ключ": least}},
		{Inner: Inner{Name: "a name"}},
	}
	for _, f := range []float64{
		math.Copysign(0, -1), 0.1, 1e20, 1e21, 1e-6, 1e-7, math.Pi, math.MaxFloat64, -math.MaxFloat64,
		math.SmallestNonzeroFloat64, 0x1p-1022, 1<<53 + 2, 123456789.01234568,
	} {
		edges = append(edges, Cmd{Float64: f})
	}
	for _, f := range []float32{
		float32(math.Copysign(0, -1)), 0.1, 16777217, 3.4e38, math.MaxFloat32, math.SmallestNonzeroFloat32, 0x1p-126,
	} {
		edges = append(edges, Cmd{Float32: f})
	}
	return edges
}
