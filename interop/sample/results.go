package sample

import "math"

// EchoResult answers an EchoCmd.
type EchoResult struct {
	Bool    bool
	Int64   int64
	String  string
	Float64 float64
}

// LastOne is true: an echo is one result.
func (r EchoResult) LastOne() bool { return true }

// Equal compares the fields with those of the command. It compares the bits of
// floats, so that NaN is equal to itself and 0 is not -0.
func (r EchoResult) Equal(c EchoCmd) bool {
	return r.Bool == c.Bool && r.Int64 == c.Int64 && r.String == c.String &&
		math.Float64bits(r.Float64) == math.Float64bits(c.Float64)
}

// StreamResult is one of the answers to a StreamCmd.
type StreamResult struct {
	Value int
	Last  bool
}

// LastOne tells whether no more results follow.
func (r StreamResult) LastOne() bool { return r.Last }

// DelayResult answers a DelayCmd.
type DelayResult struct {
	ID int
}

// LastOne is true: a delay has one result.
func (r DelayResult) LastOne() bool { return true }
