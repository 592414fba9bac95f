package jsoncodec_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"interop/jsoncodec"
	"interop/sample"
)

func TestBodyIsWhatMarshalWrites(t *testing.T) {
	cmd := sample.EchoCmd{Bool: true, Int64: -1, String: "<&>\u2028 \"\\\x01 \xff é", Float64: 1e21}
	want, err := json.Marshal(cmd)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	if _, err := jsoncodec.NewClient(sample.JSON(), 0).Encode(cmd, w); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	if got := out.Bytes()[2:]; !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEncodeCountsTheBytesBeforeAWriteError(t *testing.T) {
	w := bufio.NewWriterSize(brokenWriter{}, 16)
	cmd := sample.EchoCmd{String: strings.Repeat("x", 100)}
	n, err := jsoncodec.NewClient(sample.JSON(), 0).Encode(cmd, w)
	if !errors.Is(err, io.ErrClosedPipe) || n > 100 {
		t.Errorf("counted %d bytes, error %v", n, err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
