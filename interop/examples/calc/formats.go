package calc

import (
	"github.com/cmd-stream/cmd-stream-go/core"

	"interop/format"
	"interop/jsoncodec"
	"interop/messages"
	"interop/protobufcodec"
	"interop/tagged"
)

// Formats returns what the formats know of the service.
func Formats() format.Service[Calculator] {
	return format.Service[Calculator]{
		JSON: jsoncodec.Types[Calculator]{
			Commands: []core.Cmd[Calculator]{AddCmd{}, SubCmd{}},
			Results:  []core.Result{CalcResult(0)},
		},
		Protobuf: protobufcodec.Types{
			Commands: []tagged.Type{
				protobufcodec.Of(
					func(v AddCmd, m *messages.AddCmd) { m.A, m.B = int64(v.A), int64(v.B) },
					func(m *messages.AddCmd) AddCmd { return AddCmd{A: int(m.A), B: int(m.B)} }),
				protobufcodec.Of(
					func(v SubCmd, m *messages.SubCmd) { m.A, m.B = int64(v.A), int64(v.B) },
					func(m *messages.SubCmd) SubCmd { return SubCmd{A: int(m.A), B: int(m.B)} }),
			},
			Results: []tagged.Type{
				protobufcodec.Of(
					func(v CalcResult, m *messages.CalcResult) { m.R = int64(v) },
					func(m *messages.CalcResult) CalcResult { return CalcResult(m.R) }),
			},
		},
	}
}
