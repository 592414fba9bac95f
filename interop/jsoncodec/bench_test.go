package jsoncodec_test

import (
	"encoding/json"
	"testing"

	"interop/sample"
	"interop/speed"
	"interop/workload"
)

// Each pair does the same to the values of the workload, one value an iteration:
// once with encoding/json alone, from and to bytes, and once through the codec,
// which has tag and length to handle and a stream to read or write.

func BenchmarkEncodeBare(b *testing.B) {
	b.ReportAllocs()
	pool := workload.Pool()
	b.ResetTimer()
	for i := range b.N {
		if _, err := json.Marshal(pool[i%len(pool)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeCodec(b *testing.B) {
	client, _ := codecs(0)
	speed.Encode(b, client)
}

func BenchmarkDecodeBare(b *testing.B) {
	b.ReportAllocs()
	var bodies [][]byte
	for _, value := range workload.Pool() {
		body, err := json.Marshal(value)
		if err != nil {
			b.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	b.ResetTimer()
	for i := range b.N {
		var value sample.EchoCmd
		if err := json.Unmarshal(bodies[i%len(bodies)], &value); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeCodec(b *testing.B) {
	client, server := codecs(0)
	speed.Decode(b, client, server)
}
