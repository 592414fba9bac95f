package sample

import (
	"interop/messages"
	"interop/protobufcodec"
	"interop/tagged"
)

// Protobuf returns the messages of the commands and results.
func Protobuf() protobufcodec.Types {
	return protobufcodec.Types{
		Commands: []tagged.Type{
			protobufcodec.Of(packEchoCmd, unpackEchoCmd),
			protobufcodec.Of(packStreamCmd, unpackStreamCmd),
			protobufcodec.Of(func(FailCmd, *messages.FailCmd) {}, func(*messages.FailCmd) FailCmd { return FailCmd{} }),
			protobufcodec.Of(packDelayCmd, unpackDelayCmd),
			protobufcodec.Of(packTraceCmd, unpackTraceCmd),
		},
		Results: []tagged.Type{
			protobufcodec.Of(packEchoResult, unpackEchoResult),
			protobufcodec.Of(packStreamResult, unpackStreamResult),
			protobufcodec.Of(packDelayResult, unpackDelayResult),
		},
	}
}

func packEchoCmd(v EchoCmd, m *messages.EchoCmd) {
	m.Bool, m.Int64, m.String_, m.Float64 = v.Bool, v.Int64, v.String, v.Float64
}

func unpackEchoCmd(m *messages.EchoCmd) EchoCmd {
	return EchoCmd{Bool: m.Bool, Int64: m.Int64, String: m.String_, Float64: m.Float64}
}

func packStreamCmd(v StreamCmd, m *messages.StreamCmd) {
	m.Init, m.Count = int64(v.Init), int64(v.Count)
}

func unpackStreamCmd(m *messages.StreamCmd) StreamCmd {
	return StreamCmd{Init: int(m.Init), Count: int(m.Count)}
}

func packDelayCmd(v DelayCmd, m *messages.DelayCmd) {
	m.Id, m.DelayMs = int64(v.ID), int64(v.DelayMS)
}

func unpackDelayCmd(m *messages.DelayCmd) DelayCmd {
	return DelayCmd{ID: int(m.Id), DelayMS: int(m.DelayMs)}
}

func packTraceCmd(v TraceCmd[EchoCmd], m *messages.TraceCmd) {
	m.MapCarrier = nil
	if v.MapCarrier != nil {
		m.MapCarrier = &messages.Carrier{Entries: *v.MapCarrier}
	}
	m.Cmd = new(messages.EchoCmd)
	packEchoCmd(v.Cmd, m.Cmd)
}

// unpackTraceCmd takes over the map, which the next message does not have.
func unpackTraceCmd(m *messages.TraceCmd) (v TraceCmd[EchoCmd]) {
	if m.MapCarrier != nil {
		carrier := m.MapCarrier.Entries
		if carrier == nil {
			carrier = map[string]string{}
		}
		v.MapCarrier = &carrier
	}
	if m.Cmd != nil {
		v.Cmd = unpackEchoCmd(m.Cmd)
	}
	return v
}

func packEchoResult(v EchoResult, m *messages.EchoResult) {
	m.Bool, m.Int64, m.String_, m.Float64 = v.Bool, v.Int64, v.String, v.Float64
}

func unpackEchoResult(m *messages.EchoResult) EchoResult {
	return EchoResult{Bool: m.Bool, Int64: m.Int64, String: m.String_, Float64: m.Float64}
}

func packStreamResult(v StreamResult, m *messages.StreamResult) {
	m.Value, m.Last = int64(v.Value), v.Last
}

func unpackStreamResult(m *messages.StreamResult) StreamResult {
	return StreamResult{Value: int(m.Value), Last: m.Last}
}

func packDelayResult(v DelayResult, m *messages.DelayResult) { m.Id = int64(v.ID) }

func unpackDelayResult(m *messages.DelayResult) DelayResult { return DelayResult{ID: int(m.Id)} }
