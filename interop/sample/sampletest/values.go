// Package sampletest makes the values of the sample service that the golden
// vectors spell in JSON. It is for tests of codecs.
package sampletest

import (
	"encoding/json"
	"testing"

	"interop/sample"
	"interop/vectors"
)

// Value makes the command or result of a type; false if there is no such type.
func Value(t *testing.T, name string, text json.RawMessage) (any, bool) {
	t.Helper()
	switch name {
	case "EchoCmd":
		return echo(t, text), true
	case "StreamCmd":
		return vectors.Parse[sample.StreamCmd](t, text), true
	case "FailCmd":
		return vectors.Parse[sample.FailCmd](t, text), true
	case "DelayCmd":
		return vectors.Parse[sample.DelayCmd](t, text), true
	case "TraceCmd<EchoCmd>":
		return vectors.Parse[sample.TraceCmd[sample.EchoCmd]](t, text), true
	case "EchoResult":
		return sample.EchoResult(echo(t, text)), true
	case "StreamResult":
		return vectors.Parse[sample.StreamResult](t, text), true
	case "DelayResult":
		return vectors.Parse[sample.DelayResult](t, text), true
	}
	return nil, false
}

func echo(t *testing.T, text json.RawMessage) sample.EchoCmd {
	t.Helper()
	v := vectors.Parse[struct {
		Bool    bool
		Int64   int64
		String  string
		Float64 json.RawMessage
	}](t, text)
	return sample.EchoCmd{
		Bool: v.Bool, Int64: v.Int64, String: v.String, Float64: vectors.Float64(t, v.Float64),
	}
}
