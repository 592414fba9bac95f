package muscodec_test

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"interop/muscodec"
	"interop/sample"
)

func TestStringAtTheLimitPassesAndOneByteMoreDoesNot(t *testing.T) {
	const limit = 4<<20 - 64
	for length, want := range map[int]string{
		limit:     "",
		limit + 1: "muscodec: length 4194241 is over the limit of 4194240",
	} {
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		clientCodec, serverCodec := muscodec.NewClient(sample.MUS()), muscodec.NewServer(sample.MUS())
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
