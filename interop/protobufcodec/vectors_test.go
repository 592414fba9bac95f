package protobufcodec_test

import (
	"encoding/json"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/protobufcodec"
	"interop/protosample"
	"interop/vectors"
)

var subject = vectors.Subject[protosample.Receiver]{Codecs: codecs, Value: value}

func TestGoldenVectors(t *testing.T) { subject.Check(t, "codec_protobuf.json") }

func TestFramesOfRecordedSessions(t *testing.T) { subject.CheckFrames(t, "session_protobuf.json") }

func codecs(maxLength int) (client.Codec[protosample.Receiver], server.Codec[protosample.Receiver]) {
	types := protosample.Protobuf()
	return protobufcodec.NewClient[protosample.Receiver](types, maxLength),
		protobufcodec.NewServer[protosample.Receiver](types, maxLength)
}

// fields of all the messages; their numbers are strings.
type fields struct {
	X, A, B, R int64 `json:",string"`
	Y          string
}

func value(t *testing.T, name string, text json.RawMessage) (any, bool) {
	f := vectors.Parse[fields](t, text)
	switch name {
	case "Cmd1":
		return protosample.Cmd1{X: f.X}, true
	case "Cmd2":
		return protosample.Cmd2{Y: f.Y}, true
	case "AddCmd":
		return protosample.AddCmd{A: f.A, B: f.B}, true
	case "SubCmd":
		return protosample.SubCmd{A: f.A, B: f.B}, true
	case "Result1":
		return protosample.Result1{X: f.X}, true
	case "Result2":
		return protosample.Result2{Y: f.Y}, true
	case "CalcResult":
		return protosample.CalcResult{R: f.R}, true
	}
	return nil, false
}
