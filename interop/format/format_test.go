package format_test

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/core"

	"interop/format"
	"interop/sample"
)

// unlisted is a command that no format knows.
type unlisted struct{ sample.FailCmd }

func TestNothingIsWrittenOfACommandThatIsNotListed(t *testing.T) {
	inEachFormat(t, func(t *testing.T, codecs format.Codecs[sample.Receiver]) {
		w := bufio.NewWriter(io.Discard)
		if n, err := codecs.Client.Encode(unlisted{}, w); err == nil || n != 0 || w.Buffered() != 0 {
			t.Errorf("wrote %d bytes, error %v", w.Buffered(), err)
		}
	})
}

func TestConcurrentUseMixesNothingUp(t *testing.T) {
	inEachFormat(t, func(t *testing.T, codecs format.Codecs[sample.Receiver]) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for j := range 50 {
					// Sizes on both sides of what is kept for the next value.
					text := strings.Repeat(string(rune('a'+i)), 40*j*j)
					comesBack(t, codecs, sample.EchoCmd{Int64: int64(j), String: text})
				}
			}()
		}
		wg.Wait()
	})
}

// comesBack may be called by any goroutine.
func comesBack(t *testing.T, codecs format.Codecs[sample.Receiver], want sample.EchoCmd) {
	var frame bytes.Buffer
	w := bufio.NewWriter(&frame)
	n, err := codecs.Client.Encode(want, w)
	w.Flush()
	if err != nil || n != frame.Len() {
		t.Errorf("counted %d of %d bytes, error %v", n, frame.Len(), err)
	}
	got, _, err := codecs.Server.Decode(&frame)
	if err != nil || got != core.Cmd[sample.Receiver](want) {
		t.Errorf("%.100q came back as another value, error %v", want.String, err)
	}
}

func inEachFormat(t *testing.T, test func(*testing.T, format.Codecs[sample.Receiver])) {
	for _, name := range []string{format.JSON, format.MUS, format.Protobuf} {
		t.Run(name, func(t *testing.T) {
			codecs, err := format.New(name, sample.Formats())
			if err != nil {
				t.Fatal(err)
			}
			test(t, codecs)
		})
	}
}
