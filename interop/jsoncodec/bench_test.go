package jsoncodec_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"interop/jsoncodec"
	"interop/sample"
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
	b.ReportAllocs()
	var (
		pool  = workload.Pool()
		codec = jsoncodec.NewClient(sample.Commands(), sample.Results())
		w     = bufio.NewWriter(io.Discard)
	)
	b.ResetTimer()
	for i := range b.N {
		if _, err := codec.Encode(pool[i%len(pool)], w); err != nil {
			b.Fatal(err)
		}
	}
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
	b.ReportAllocs()
	var (
		frames bytes.Buffer
		w      = bufio.NewWriter(&frames)
		client = jsoncodec.NewClient(sample.Commands(), sample.Results())
		server = jsoncodec.NewServer(sample.Commands(), sample.Results())
	)
	for _, value := range workload.Pool() {
		if _, err := client.Encode(value, w); err != nil {
			b.Fatal(err)
		}
	}
	w.Flush()
	r := bytes.NewReader(frames.Bytes())
	b.ResetTimer()
	for range b.N {
		if r.Len() == 0 {
			r.Reset(frames.Bytes())
		}
		if _, _, err := server.Decode(r); err != nil {
			b.Fatal(err)
		}
	}
}
