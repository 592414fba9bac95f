package jsoncodec_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"reflect"
	"strconv"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/delegate"
	dcln "github.com/cmd-stream/cmd-stream-go/delegate/cln"
	"github.com/cmd-stream/cmd-stream-go/server"
	"github.com/cmd-stream/cmd-stream-go/transport"
	com "github.com/mus-format/common-go"

	"interop/jsoncodec"
	"interop/prefixed"
	"interop/sample"
)

const vectorsFile = "../../wire/vectors/codec_json.json"

// vector is a golden vector as wire/vectors/README.md describes it.
type vector struct {
	Name      string          `json:"name"`
	Kind      string          `json:"kind"`
	Direction string          `json:"direction"`
	Seq       string          `json:"seq"`
	Type      string          `json:"type"`
	Value     json.RawMessage `json:"value"`
	Hex       string          `json:"hex"`
	Consumed  *int            `json:"consumed"`
	Error     string          `json:"error"`
	MaxLen    int             `json:"max_len"`
}

// A vector of a kind, type, direction or error that this test does not know
// fails it.
func TestGoldenVectors(t *testing.T) {
	text, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []vector `json:"vectors"`
	}
	if err = json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) == 0 {
		t.Fatal("no vectors in the file")
	}
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			switch v.Direction {
			case "client_to_server":
				check(t, v, commandEncoder(v), commandDecoder(v))
			case "server_to_client":
				check(t, v, resultEncoder(v), resultDecoder(v))
			default:
				t.Fatalf("unknown direction %q", v.Direction)
			}
		})
	}
}

func check[T any](t *testing.T, v vector, encoder encoder[T], decoder decoder[T]) {
	frame, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	switch v.Kind {
	case "roundtrip":
		checkEncode(t, v, encoder, frame)
		checkDecode(t, v, decoder, frame, len(frame))
	case "encode":
		checkEncode(t, v, encoder, frame)
	case "decode":
		checkDecode(t, v, decoder, frame, *v.Consumed)
	case "encode_error":
		checkEncodeError(t, v, encoder)
	case "error":
		checkError(t, v, decoder, frame)
	default:
		t.Fatalf("unknown kind %q", v.Kind)
	}
}

func checkEncode[T any](t *testing.T, v vector, encoder encoder[T], want []byte) {
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	n, err := encoder.Encode(seqOf(t, v), valueOf(t, v).(T), w)
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

func checkDecode[T any](t *testing.T, v vector, decoder decoder[T], frame []byte, consumed int) {
	in := bytes.NewReader(frame)
	seq, got, n, err := decoder.Decode(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := seqOf(t, v); seq != want {
		t.Errorf("decoded seq %d, want %d", seq, want)
	}
	if want := valueOf(t, v); !reflect.DeepEqual(any(got), want) {
		t.Errorf("decoded %#v, want %#v", got, want)
	}
	checkConsumed(t, in, n, consumed)
}

func checkEncodeError[T any](t *testing.T, v vector, encoder encoder[T]) {
	// Only seq, which the library writes before it calls the codec, may be left
	// behind; of the codec's own part there must be nothing.
	var seq bytes.Buffer
	core.SeqMUS.Marshal(seqOf(t, v), &seq)
	w := bufio.NewWriter(io.Discard)
	n, err := encoder.Encode(seqOf(t, v), valueOf(t, v).(T), w)
	if err == nil {
		t.Error("encoded without an error")
	}
	if n != seq.Len() || w.Buffered() != seq.Len() {
		t.Errorf("Encode counted %d bytes and wrote %d, want the %d of seq", n, w.Buffered(), seq.Len())
	}
}

func checkError[T any](t *testing.T, v vector, decoder decoder[T], frame []byte) {
	in := bytes.NewReader(frame)
	_, got, n, err := decoder.Decode(in)
	if err == nil {
		t.Fatalf("decoded %#v without an error", got)
	}
	if !isError(t, v.Error, err) {
		t.Errorf("failed with %q, want %s", err, v.Error)
	}
	checkConsumed(t, in, n, *v.Consumed)
}

func checkConsumed(t *testing.T, in *bytes.Reader, counted, want int) {
	if read := int(in.Size()) - in.Len(); read != want || counted != want {
		t.Errorf("read %d bytes and counted %d, want %d", read, counted, want)
	}
}

func isError(t *testing.T, code string, err error) bool {
	switch code {
	case "overflow":
		return errors.Is(err, com.ErrOverflow)
	case "negative_length":
		return errors.Is(err, com.ErrNegativeLength)
	case "eof":
		return errors.Is(err, io.EOF)
	case "unexpected_eof":
		return errors.Is(err, io.ErrUnexpectedEOF)
	case "too_large_length":
		return is[*prefixed.TooLargeError](err)
	case "unexpected_dtm":
		return is[*jsoncodec.UnknownTagError](err)
	case "body":
		return is[*json.SyntaxError](err) || is[*json.UnmarshalTypeError](err)
	}
	t.Fatalf("unknown error code %q", code)
	return false
}

func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}

func seqOf(t *testing.T, v vector) core.Seq {
	seq, err := strconv.ParseInt(v.Seq, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return core.Seq(seq)
}

// unregistered is a command that is on no list.
type unregistered struct{ sample.FailCmd }

func valueOf(t *testing.T, v vector) any {
	switch v.Type {
	case "EchoCmd":
		return echoOf(t, v.Value)
	case "StreamCmd":
		return parse[sample.StreamCmd](t, v.Value)
	case "FailCmd":
		return parse[sample.FailCmd](t, v.Value)
	case "DelayCmd":
		return parse[sample.DelayCmd](t, v.Value)
	case "TraceCmd<EchoCmd>":
		return parse[sample.TraceCmd[sample.EchoCmd]](t, v.Value)
	case "EchoResult":
		return sample.EchoResult(echoOf(t, v.Value))
	case "StreamResult":
		return parse[sample.StreamResult](t, v.Value)
	case "DelayResult":
		return parse[sample.DelayResult](t, v.Value)
	case "Ping":
		return delegate.PingCmd[sample.Receiver]{}
	case "Pong":
		return delegate.PongResult{}
	case "unregJSON":
		return unregistered{}
	}
	t.Fatalf("unknown type %q", v.Type)
	return nil
}

// echoOf also takes the spelling of floats that JSON has no numbers for.
func echoOf(t *testing.T, text json.RawMessage) sample.EchoCmd {
	v := parse[struct {
		Bool    bool
		Int64   int64
		String  string
		Float64 json.RawMessage
	}](t, text)
	cmd := sample.EchoCmd{Bool: v.Bool, Int64: v.Int64, String: v.String}
	if !bytes.HasPrefix(v.Float64, []byte("{")) {
		cmd.Float64 = parse[float64](t, v.Float64)
		return cmd
	}
	float := parse[struct {
		Bits string `json:"bits"`
	}](t, v.Float64)
	bits, err := strconv.ParseUint(float.Bits, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Float64 = math.Float64frombits(bits)
	return cmd
}

func parse[T any](t *testing.T, text json.RawMessage) (v T) {
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The frames of the vectors begin with seq. The library's adapters put it there,
// so that the test sees what a connection would; keepalive is on for pongs to
// be known.

type encoder[T any] interface {
	Encode(seq core.Seq, value T, w transport.Writer) (n int, err error)
}

type decoder[T any] interface {
	Decode(r transport.Reader) (seq core.Seq, value T, n int, err error)
}

func adapted(v vector) (
	transport.Codec[core.Cmd[sample.Receiver], core.Result],
	transport.Codec[core.Result, core.Cmd[sample.Receiver]],
) {
	limit := jsoncodec.WithMaxLength(v.MaxLen)
	keepalive := client.Options{Keepalive: []dcln.SetKeepaliveOption{}}
	return client.AdaptCodec(jsoncodec.NewClient(sample.Commands(), sample.Results(), limit), keepalive),
		server.AdaptCodec(jsoncodec.NewServer(sample.Commands(), sample.Results(), limit), server.Options{})
}

func commandEncoder(v vector) encoder[core.Cmd[sample.Receiver]] {
	codec, _ := adapted(v)
	return codec
}

func commandDecoder(v vector) decoder[core.Cmd[sample.Receiver]] {
	_, codec := adapted(v)
	return codec
}

func resultEncoder(v vector) encoder[core.Result] {
	_, codec := adapted(v)
	return codec
}

func resultDecoder(v vector) decoder[core.Result] {
	codec, _ := adapted(v)
	return codec
}
