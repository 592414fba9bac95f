package speed

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/sample"
	"interop/workload"
)

// Encode encodes a value of the workload an iteration.
func Encode(b *testing.B, codec client.Codec[sample.Receiver]) {
	b.ReportAllocs()
	var (
		pool = workload.Boxed()
		w    = bufio.NewWriter(io.Discard)
	)
	b.ResetTimer()
	for i := range b.N {
		if _, err := codec.Encode(pool[i%len(pool)], w); err != nil {
			b.Fatal(err)
		}
	}
}

// Decode decodes a value of the workload an iteration.
func Decode(b *testing.B, encoder client.Codec[sample.Receiver], codec server.Codec[sample.Receiver]) {
	DecodeWith(b, encoder, func(r *bytes.Reader) error {
		_, _, err := codec.Decode(r)
		return err
	})
}

// DecodeWith calls decode for a value an iteration.
func DecodeWith(b *testing.B, encoder client.Codec[sample.Receiver], decode func(*bytes.Reader) error) {
	b.ReportAllocs()
	encoded, err := workload.Encoded(encoder)
	if err != nil {
		b.Fatal(err)
	}
	r := bytes.NewReader(encoded)
	b.ResetTimer()
	for range b.N {
		if r.Len() == 0 {
			r.Reset(encoded)
		}
		if err := decode(r); err != nil {
			b.Fatal(err)
		}
	}
}
