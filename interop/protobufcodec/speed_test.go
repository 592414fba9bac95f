package protobufcodec_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"interop/messages"
	"interop/speed"
	"interop/workload"
)

// slowest is how much longer than bare google.golang.org/protobuf the codec may
// take. It has tag and length to handle, a body to read, and the value to make
// of the message; it saves the memory of a message. A round trip takes the
// library some 13 µs, of which half of 800 ns is little.
const slowest = 1.50

// Comparisons against the Go library would be unfair if its codec was slow.
func TestCodecIsNoSlowerThanBareProtobuf(t *testing.T) {
	speed.SkipUnlessMeasurable(t)
	t.Run("encode", func(t *testing.T) { speed.Compare(t, slowest, BenchmarkEncodeBare, BenchmarkEncodeCodec) })
	t.Run("decode", func(t *testing.T) { speed.Compare(t, slowest, BenchmarkDecodeBare, BenchmarkDecodeCodec) })
}

// Each pair does the same to the values of the workload, one value an iteration:
// once with the message alone, from and to bytes, and once through the codec.

func BenchmarkEncodeBare(b *testing.B) {
	b.ReportAllocs()
	pool := boxedMessages()
	b.ResetTimer()
	for i := range b.N {
		if _, err := proto.Marshal(pool[i%len(pool)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeCodec(b *testing.B) {
	client, _ := sampleCodecs()
	speed.Encode(b, client)
}

func BenchmarkDecodeBare(b *testing.B) {
	b.ReportAllocs()
	var bodies [][]byte
	for _, message := range boxedMessages() {
		body, err := proto.Marshal(message)
		if err != nil {
			b.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	b.ResetTimer()
	for i := range b.N {
		if err := proto.Unmarshal(bodies[i%len(bodies)], new(messages.EchoCmd)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeCodec(b *testing.B) {
	client, server := sampleCodecs()
	speed.Decode(b, client, server)
}

func boxedMessages() (boxed []proto.Message) {
	for _, v := range workload.Pool() {
		boxed = append(boxed, &messages.EchoCmd{Bool: v.Bool, Int64: v.Int64, String_: v.String, Float64: v.Float64})
	}
	return boxed
}
