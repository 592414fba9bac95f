package vectors

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	dcln "github.com/cmd-stream/cmd-stream-go/delegate/cln"
	"github.com/cmd-stream/cmd-stream-go/server"
	"github.com/cmd-stream/cmd-stream-go/transport"
	com "github.com/mus-format/common-go"

	"interop/prefixed"
	"interop/tagged"
)

// The frames of the vectors begin with seq. The library's adapters put it there,
// so that the test sees what a connection would; keepalive is on for pongs to
// be known.

type encoder[V any] interface {
	Encode(seq core.Seq, value V, w transport.Writer) (n int, err error)
}

type decoder[V any] interface {
	Decode(r transport.Reader) (seq core.Seq, value V, n int, err error)
}

func (s Subject[T]) adapted(maxLength int) (
	transport.Codec[core.Cmd[T], core.Result],
	transport.Codec[core.Result, core.Cmd[T]],
) {
	clientCodec, serverCodec := s.Codecs(maxLength)
	keepalive := client.Options{Keepalive: []dcln.SetKeepaliveOption{}}
	return client.AdaptCodec(clientCodec, keepalive), server.AdaptCodec(serverCodec, server.Options{})
}

// trial is one vector with what it is to be tried on, in one direction.
type trial[V any] struct {
	Vector
	encoder[V]
	decoder[V]
	value   any // nil if the vector has none
	isError func(code string, err error) bool
}

func (v trial[V]) run(t *testing.T) {
	switch frame := v.frame(t); v.Kind {
	case "roundtrip":
		v.checkEncode(t, frame)
		v.checkDecode(t, frame, len(frame))
	case "encode":
		v.checkEncode(t, frame)
	case "decode":
		v.checkDecode(t, frame, *v.Consumed)
	case "encode_error":
		v.checkEncodeError(t)
	case "error":
		v.checkError(t, frame)
	default:
		t.Fatalf("unknown kind %q", v.Kind)
	}
}

func (v trial[V]) checkEncode(t *testing.T, want []byte) {
	t.Helper()
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	n, err := v.Encode(v.seq(t), v.value.(V), w)
	if err != nil {
		t.Fatal(err)
	}
	w.Flush()
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("encoded as %x, want %x", out.Bytes(), want)
	}
	if n != len(want) {
		t.Errorf("Encode counted %d bytes, want %d", n, len(want))
	}
}

func (v trial[V]) checkDecode(t *testing.T, frame []byte, consumed int) {
	t.Helper()
	in := bytes.NewReader(frame)
	seq, got, n, err := v.Decode(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := v.seq(t); seq != want {
		t.Errorf("decoded seq %d, want %d", seq, want)
	}
	if !same(got, v.value) {
		t.Errorf("decoded %#v, want %#v", got, v.value)
	}
	checkConsumed(t, in, n, consumed)
}

func (v trial[V]) checkEncodeError(t *testing.T) {
	// Only seq, which the library writes before it calls the codec, may be left
	// behind; of the codec's own part there must be nothing.
	var seq bytes.Buffer
	core.SeqMUS.Marshal(v.seq(t), &seq)
	w := bufio.NewWriter(io.Discard)
	n, err := v.Encode(v.seq(t), v.value.(V), w)
	if err == nil {
		t.Error("encoded without an error")
	}
	if n != seq.Len() || w.Buffered() != seq.Len() {
		t.Errorf("Encode counted %d bytes and wrote %d, want the %d of seq", n, w.Buffered(), seq.Len())
	}
}

func (v trial[V]) checkError(t *testing.T, frame []byte) {
	in := bytes.NewReader(frame)
	_, got, n, err := v.Decode(in)
	if err == nil {
		t.Fatalf("decoded %#v without an error", got)
	}
	if !isCommon(v.Error, err) && (v.isError == nil || !v.isError(v.Error, err)) {
		t.Errorf("failed with %q, want %s", err, v.Error)
	}
	checkConsumed(t, in, n, *v.Consumed)
}

func checkConsumed(t *testing.T, in *bytes.Reader, counted, want int) {
	t.Helper()
	if read := int(in.Size()) - in.Len(); read != want || counted != want {
		t.Errorf("read %d bytes and counted %d, want %d", read, counted, want)
	}
}

// isCommon tells whether err is the error of that code in every codec that has
// it.
func isCommon(code string, err error) bool {
	switch code {
	case "overflow":
		return errors.Is(err, com.ErrOverflow)
	case "negative_length":
		return errors.Is(err, com.ErrNegativeLength)
	case "wrong_format":
		return errors.Is(err, com.ErrWrongFormat)
	case "eof":
		return errors.Is(err, io.EOF)
	case "unexpected_eof":
		return errors.Is(err, io.ErrUnexpectedEOF)
	case "too_large_length":
		return is[*prefixed.TooLargeError](err)
	case "unexpected_dtm":
		return is[*tagged.UnknownTagError](err) || is[com.UnexpectedDTMError](err)
	case "body":
		return is[*tagged.BodyError](err)
	}
	return false
}

func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}
