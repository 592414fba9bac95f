package jsoncodec_test

import (
	"encoding/json"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/jsoncodec"
	"interop/sample"
	"interop/sample/sampletest"
	"interop/vectors"
)

var subject = vectors.Subject[sample.Receiver]{Codecs: codecs, Value: value}

func TestGoldenVectors(t *testing.T) { subject.Check(t, "codec_json.json") }

func TestFramesOfRecordedSessions(t *testing.T) { subject.CheckFrames(t, "session_json.json") }

func codecs(maxLength int) (client.Codec[sample.Receiver], server.Codec[sample.Receiver]) {
	limit := jsoncodec.WithMaxLength(maxLength)
	return jsoncodec.NewClient(sample.Commands(), sample.Results(), limit),
		jsoncodec.NewServer(sample.Commands(), sample.Results(), limit)
}

// unregistered is a command that is on no list.
type unregistered struct{ sample.FailCmd }

var _ core.Cmd[sample.Receiver] = unregistered{}

func value(t *testing.T, name string, text json.RawMessage) (any, bool) {
	if name == "unregJSON" {
		return unregistered{}, true
	}
	return sampletest.Value(t, name, text)
}
