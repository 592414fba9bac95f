package muscodec_test

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"interop/sample"
)

// unlisted is a command that no serializer knows.
type unlisted struct{ sample.FailCmd }

func TestNothingIsWrittenOfACommandWithoutSerializer(t *testing.T) {
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	codec, _ := codecs(0)
	if n, err := codec.Encode(unlisted{}, w); err == nil || n != 0 || w.Buffered() != 0 {
		t.Errorf("wrote %d bytes, error %v", w.Buffered(), err)
	}
}

func TestStringAtTheLimitPassesAndOneByteMoreDoesNot(t *testing.T) {
	const limit = 4<<20 - 64
	for length, want := range map[int]string{
		limit:     "",
		limit + 1: "muscodec: length 4194241 is over the limit of 4194240",
	} {
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		clientCodec, serverCodec := codecs(0)
		if _, err := clientCodec.Encode(sample.EchoCmd{String: strings.Repeat("x", length)}, w); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		cmd, _, err := serverCodec.Decode(&out)
		if want != "" {
			if err == nil || err.Error() != want {
				t.Errorf("%d bytes: got %v, want %s", length, err, want)
			}
		} else if err != nil || len(cmd.(sample.EchoCmd).String) != length {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}
