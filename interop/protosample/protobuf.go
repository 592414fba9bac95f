package protosample

import (
	"interop/messages"
	"interop/protobufcodec"
	"interop/tagged"
)

// Protobuf returns the messages of the commands and results.
func Protobuf() protobufcodec.Types {
	return protobufcodec.Types{
		Commands: []tagged.Type{
			protobufcodec.Of(
				func(v Cmd1, m *messages.Cmd1) { m.X = v.X },
				func(m *messages.Cmd1) Cmd1 { return Cmd1{X: m.X} }),
			protobufcodec.Of(
				func(v Cmd2, m *messages.Cmd2) { m.Y = v.Y },
				func(m *messages.Cmd2) Cmd2 { return Cmd2{Y: m.Y} }),
			protobufcodec.Of(
				func(v AddCmd, m *messages.AddCmd) { m.A, m.B = v.A, v.B },
				func(m *messages.AddCmd) AddCmd { return AddCmd{A: m.A, B: m.B} }),
			protobufcodec.Of(
				func(v SubCmd, m *messages.SubCmd) { m.A, m.B = v.A, v.B },
				func(m *messages.SubCmd) SubCmd { return SubCmd{A: m.A, B: m.B} }),
		},
		Results: []tagged.Type{
			protobufcodec.Of(
				func(v Result1, m *messages.Result1) { m.X = v.X },
				func(m *messages.Result1) Result1 { return Result1{X: m.X} }),
			protobufcodec.Of(
				func(v Result2, m *messages.Result2) { m.Y = v.Y },
				func(m *messages.Result2) Result2 { return Result2{Y: m.Y} }),
			protobufcodec.Of(
				func(v CalcResult, m *messages.CalcResult) { m.R = v.R },
				func(m *messages.CalcResult) CalcResult { return CalcResult{R: m.R} }),
		},
	}
}
