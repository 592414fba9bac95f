package suite

import (
	"strings"

	"interop/sample"
	"interop/workload"
)

// Value is what is sent: as all participants know it, and as one sends it.
type Value struct {
	Raw  sample.EchoCmd
	Sent any
}

// pool returns the values of a round. Those of one length are as in Rust.
func pool(payloadBytes *int, box func(sample.EchoCmd) any) []Value {
	var raw []sample.EchoCmd
	if payloadBytes == nil {
		raw = workload.Pool()
	} else {
		raw = workload.Sized(*payloadBytes)
	}
	values := make([]Value, len(raw))
	for i, value := range raw {
		value.String = strings.Clone(value.String)
		values[i] = Value{Raw: value, Sent: box(value)}
	}
	return values
}
