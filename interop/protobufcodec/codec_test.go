package protobufcodec_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"io"
	"math"
	"reflect"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"
	"github.com/cmd-stream/cmd-stream-go/transport"

	"interop/protobufcodec"
	"interop/protosample"
	"interop/sample"
)

func TestSampleCommandsComeBackEqual(t *testing.T) {
	carrier := map[string]string{"traceparent": "00-1-2-01", "": "ключ"}
	echo := sample.EchoCmd{Bool: true, Int64: math.MinInt64, String: "héllo", Float64: math.Inf(-1)}
	for _, want := range []core.Cmd[sample.Receiver]{
		sample.EchoCmd{},
		echo,
		sample.StreamCmd{Init: -1, Count: 5},
		sample.FailCmd{},
		sample.DelayCmd{ID: 7, DelayMS: 200},
		sample.TraceCmd[sample.EchoCmd]{},
		sample.TraceCmd[sample.EchoCmd]{MapCarrier: &map[string]string{}},
		sample.TraceCmd[sample.EchoCmd]{MapCarrier: &carrier, Cmd: echo},
	} {
		client, server := sampleCodecs()
		got, _, err := server.Decode(bytes.NewReader(encode(t, client, want)))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%#v came back as %#v, error %v", want, got, err)
		}
	}
}

func TestSampleResultsComeBackEqual(t *testing.T) {
	for _, want := range []core.Result{
		sample.EchoResult{Bool: true, Int64: math.MaxInt64, String: "語", Float64: 0.1},
		sample.StreamResult{Value: -14, Last: true},
		sample.DelayResult{ID: 7},
	} {
		client, server := sampleCodecs()
		got, _, err := client.Decode(bytes.NewReader(encode(t, server, want)))
		if err != nil || got != want {
			t.Errorf("%#v came back as %#v, error %v", want, got, err)
		}
	}
}

func TestBytesOfAnEcho(t *testing.T) {
	client, _ := sampleCodecs()
	cmd := sample.EchoCmd{Bool: true, Int64: -1, String: "hi", Float64: 1.5}
	const want = "00" + "1a" + "0801" + "10ffffffffffffffffff01" + "1a026869" + "21000000000000f83f"
	if got := hex.EncodeToString(encode(t, client, core.Cmd[sample.Receiver](cmd))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Go writes the negative zero, though it equals the zero that is not written.
func TestNegativeZeroIsWritten(t *testing.T) {
	client, server := sampleCodecs()
	cmd := sample.EchoCmd{Float64: math.Copysign(0, -1)}
	got, _, err := server.Decode(bytes.NewReader(encode(t, client, core.Cmd[sample.Receiver](cmd))))
	if err != nil || !math.Signbit(got.(sample.EchoCmd).Float64) {
		t.Errorf("came back as %#v, error %v", got, err)
	}
}

func TestUnknownFieldsAreNotPassedOnWithTheNextValue(t *testing.T) {
	types := protosample.Protobuf()
	client := protobufcodec.NewClient[protosample.Receiver](types, 0)
	server := protobufcodec.NewServer[protosample.Receiver](types, 0)
	unknownField2, _ := hex.DecodeString("000408011005")
	if _, _, err := server.Decode(bytes.NewReader(unknownField2)); err != nil {
		t.Fatal(err)
	}
	got := encode(t, client, core.Cmd[protosample.Receiver](protosample.Cmd1{X: 1}))
	if hex.EncodeToString(got) != "00020801" {
		t.Errorf("encoded as %x", got)
	}
}

func TestNothingIsWrittenOfAStringThatIsNoUTF8(t *testing.T) {
	w := bufio.NewWriter(io.Discard)
	client, _ := sampleCodecs()
	if n, err := client.Encode(sample.EchoCmd{String: "\xff"}, w); err == nil || n != 0 || w.Buffered() != 0 {
		t.Errorf("wrote %d bytes, error %v", w.Buffered(), err)
	}
}

func sampleCodecs() (client.Codec[sample.Receiver], server.Codec[sample.Receiver]) {
	types := sample.Protobuf()
	return protobufcodec.NewClient[sample.Receiver](types, 0), protobufcodec.NewServer[sample.Receiver](types, 0)
}

// encode returns all that the codec writes.
func encode[V any](t *testing.T, codec interface {
	Encode(V, transport.Writer) (int, error)
}, value V) []byte {
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	n, err := codec.Encode(value, w)
	w.Flush()
	if err != nil || n != out.Len() {
		t.Errorf("counted %d of %d bytes, error %v", n, out.Len(), err)
	}
	return out.Bytes()
}
