package muscodec_test

import (
	"testing"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/muscodec"
	"interop/sample"
	"interop/sample/sampletest"
	"interop/vectors"
)

var subject = vectors.Subject[sample.Receiver]{Codecs: codecs, Value: sampletest.Value}

func TestGoldenVectors(t *testing.T) { subject.Check(t, "codec_mus.json") }

func TestFramesOfRecordedSessions(t *testing.T) { subject.CheckFrames(t, "session_mus.json") }

// codecs have no maximum length; nor do the vectors of MUS.
func codecs(int) (client.Codec[sample.Receiver], server.Codec[sample.Receiver]) {
	return muscodec.NewClient(sample.MUS()), muscodec.NewServer(sample.MUS())
}
