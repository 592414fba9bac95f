package jsoncodec_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/core"

	"interop/jsoncodec"
	"interop/prefixed"
	"interop/sample"
	"interop/tagged"
)

func TestBodyIsWhatMarshalWrites(t *testing.T) {
	cmd := sample.EchoCmd{Bool: true, Int64: -1, String: "<&>\u2028 \"\\\x01 \xff é", Float64: 1e21}
	want, err := json.Marshal(cmd)
	if err != nil {
		t.Fatal(err)
	}
	_, frame := encode(t, cmd)
	if got := frame[2:]; !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBodyAtTheLimitPassesAndOneByteMoreDoesNot(t *testing.T) {
	body, _ := json.Marshal(sample.EchoCmd{})
	_, frame := encode(t, sample.EchoCmd{})
	server := func(limit int) error {
		codec := jsoncodec.NewServer(sample.Commands(), sample.Results(), jsoncodec.WithMaxLength(limit))
		_, _, err := codec.Decode(bytes.NewReader(frame))
		return err
	}
	if err := server(len(body)); err != nil {
		t.Error(err)
	}
	var tooLarge *prefixed.TooLargeError
	if err := server(len(body) - 1); !errors.As(err, &tooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsWrittenOfAValueThatCannotBeEncoded(t *testing.T) {
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	codec := jsoncodec.NewClient(sample.Commands()[1:], sample.Results())
	n, err := codec.Encode(sample.EchoCmd{}, w)
	if !errors.Is(err, tagged.ErrUnknownType) || n != 0 || w.Buffered() != 0 {
		t.Errorf("wrote %d bytes, error %v", w.Buffered(), err)
	}
}

func TestEncodeCountsTheBytesBeforeAWriteError(t *testing.T) {
	codec := jsoncodec.NewClient(sample.Commands(), sample.Results())
	w := bufio.NewWriterSize(brokenWriter{}, 16)
	cmd := sample.EchoCmd{String: strings.Repeat("x", 100)}
	if n, err := codec.Encode(cmd, w); !errors.Is(err, io.ErrClosedPipe) || n > 100 {
		t.Errorf("counted %d bytes, error %v", n, err)
	}
}

func TestConcurrentUseMixesNothingUp(t *testing.T) {
	var (
		client = jsoncodec.NewClient(sample.Commands(), sample.Results())
		server = jsoncodec.NewServer(sample.Commands(), sample.Results())
		wg     sync.WaitGroup
	)
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 200 {
				// Sizes on both sides of what the pools keep.
				want := sample.EchoCmd{Int64: int64(j), String: strings.Repeat(string(rune('a'+i)), j*j)}
				var frame bytes.Buffer
				w := bufio.NewWriter(&frame)
				if _, err := client.Encode(want, w); err != nil {
					t.Error(err)
				}
				w.Flush()
				got, _, err := server.Decode(&frame)
				if err != nil || got != core.Cmd[sample.Receiver](want) {
					t.Errorf("value %d of goroutine %d came back as another, error %v", j, i, err)
				}
			}
		}()
	}
	wg.Wait()
}

func encode(t *testing.T, cmd core.Cmd[sample.Receiver]) (n int, frame []byte) {
	t.Helper()
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	n, err := jsoncodec.NewClient(sample.Commands(), sample.Results()).Encode(cmd, w)
	if err != nil {
		t.Fatal(err)
	}
	w.Flush()
	if n != out.Len() {
		t.Fatalf("Encode counted %d of %d bytes", n, out.Len())
	}
	return n, out.Bytes()
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
