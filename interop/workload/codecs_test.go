package workload_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/raw"
	"github.com/mus-format/mus-stream-go/typed"
	"github.com/mus-format/mus-stream-go/varint"
	"google.golang.org/protobuf/proto"

	"interop/format"
	"interop/messages"
	"interop/sample"
	"interop/workload"
)

// These benchmarks tell what our codecs cost beside the serialization libraries
// that they use. One operation is one value of the workload. "bare" calls the
// library alone; "codec" also handles the tag, the length and the stream.
// `bench --bin go_codecs` runs them in turns and holds the ratios.

func BenchmarkEncode(b *testing.B) {
	run(b, format.JSON, encodeJSON, encode(format.JSON))
	run(b, format.MUS, encodeMUS, encode(format.MUS))
	run(b, format.Protobuf, encodeProtobuf, encode(format.Protobuf))
}

func BenchmarkDecode(b *testing.B) {
	run(b, format.JSON, decodeJSON, decode(format.JSON))
	run(b, format.MUS, decodeMUS, decode(format.MUS))
	run(b, format.Protobuf, decodeProtobuf, decode(format.Protobuf))
}

// run measures the two ways right after each other, so that both meet the same
// load of the machine. With CODEC_FIRST set, their order is reversed.
func run(b *testing.B, name string, bare, codec func(*testing.B)) {
	if os.Getenv("CODEC_FIRST") != "" {
		b.Run(name+"/codec", codec)
		b.Run(name+"/bare", bare)
		return
	}
	b.Run(name+"/bare", bare)
	b.Run(name+"/codec", codec)
}

func encode(name string) func(*testing.B) {
	return func(b *testing.B) {
		codec, pool, w := codecs(b, name).Client, workload.Boxed(), bufio.NewWriter(io.Discard)
		for i := 0; b.Loop(); i++ {
			if _, err := codec.Encode(pool[i%len(pool)], w); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func decode(name string) func(*testing.B) {
	return func(b *testing.B) {
		codec := codecs(b, name).Server
		loop(b, encoded(b, name), func(r *bytes.Reader) error {
			_, _, err := codec.Decode(r)
			return err
		})
	}
}

func encodeJSON(b *testing.B) {
	pool := workload.Pool()
	for i := 0; b.Loop(); i++ {
		if _, err := json.Marshal(pool[i%len(pool)]); err != nil {
			b.Fatal(err)
		}
	}
}

func decodeJSON(b *testing.B) {
	var bodies [][]byte
	for _, value := range workload.Pool() {
		bodies = append(bodies, must(json.Marshal(value)))
	}
	for i := 0; b.Loop(); i++ {
		var value sample.EchoCmd
		if err := json.Unmarshal(bodies[i%len(bodies)], &value); err != nil {
			b.Fatal(err)
		}
	}
}

func encodeMUS(b *testing.B) {
	pool, w := workload.Pool(), bufio.NewWriter(io.Discard)
	for i := 0; b.Loop(); i++ {
		v := &pool[i%len(pool)]
		typed.DTMSer.Marshal(1, w)
		ord.Bool.Marshal(v.Bool, w)
		varint.Int64.Marshal(v.Int64, w)
		ord.String.Marshal(v.String, w)
		if _, err := raw.Float64.Marshal(v.Float64, w); err != nil {
			b.Fatal(err)
		}
	}
}

func decodeMUS(b *testing.B) {
	loop(b, encoded(b, format.MUS), func(r *bytes.Reader) error {
		typed.DTMSer.Unmarshal(r)
		var (
			v   = new(sample.EchoCmd) // the codec boxes a command as well
			err error
		)
		v.Bool, _, _ = ord.Bool.Unmarshal(r)
		v.Int64, _, _ = varint.Int64.Unmarshal(r)
		v.String, _, _ = ord.String.Unmarshal(r)
		v.Float64, _, err = raw.Float64.Unmarshal(r)
		sink = v
		return err
	})
}

func encodeProtobuf(b *testing.B) {
	pool := boxedMessages()
	for i := 0; b.Loop(); i++ {
		if _, err := proto.Marshal(pool[i%len(pool)]); err != nil {
			b.Fatal(err)
		}
	}
}

func decodeProtobuf(b *testing.B) {
	var bodies [][]byte
	for _, message := range boxedMessages() {
		bodies = append(bodies, must(proto.Marshal(message)))
	}
	for i := 0; b.Loop(); i++ {
		if err := proto.Unmarshal(bodies[i%len(bodies)], new(messages.EchoCmd)); err != nil {
			b.Fatal(err)
		}
	}
}

// loop decodes the values over and over.
func loop(b *testing.B, encoded []byte, decode func(*bytes.Reader) error) {
	r := bytes.NewReader(encoded)
	for b.Loop() {
		if r.Len() == 0 {
			r.Reset(encoded)
		}
		if err := decode(r); err != nil {
			b.Fatal(err)
		}
	}
}

// encoded returns the values of the workload, one after another.
func encoded(b *testing.B, name string) []byte {
	var out bytes.Buffer
	codec, w := codecs(b, name).Client, bufio.NewWriter(&out)
	for _, value := range workload.Boxed() {
		if _, err := codec.Encode(value, w); err != nil {
			b.Fatal(err)
		}
	}
	w.Flush()
	return out.Bytes()
}

func codecs(b *testing.B, name string) format.Codecs[sample.Receiver] {
	found, err := format.New(name, sample.Formats())
	if err != nil {
		b.Fatal(err)
	}
	return found
}

func boxedMessages() (boxed []proto.Message) {
	for _, v := range workload.Pool() {
		boxed = append(boxed, &messages.EchoCmd{Bool: v.Bool, Int64: v.Int64, String_: v.String, Float64: v.Float64})
	}
	return boxed
}

func must(body []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return body
}

// sink keeps what is decoded, as a server would.
var sink any
