package muscodec_test

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/raw"
	"github.com/mus-format/mus-stream-go/typed"
	"github.com/mus-format/mus-stream-go/varint"

	"interop/sample"
	"interop/speed"
	"interop/workload"
)

// slowest is how much longer than bare serializers the codec may take. It has to
// find the one of the value, and to mind limits: some 25 ns of 200. A round trip
// takes the library some 13 µs, of which half of 200 ns is less than a hundredth.
const slowest = 1.50

// Comparisons against the Go library would be unfair if its codec was slow.
func TestCodecIsNoSlowerThanBareSerializers(t *testing.T) {
	speed.SkipUnlessMeasurable(t)
	t.Run("encode", func(t *testing.T) { speed.Compare(t, slowest, BenchmarkEncodeBare, BenchmarkEncodeCodec) })
	t.Run("decode", func(t *testing.T) { speed.Compare(t, slowest, BenchmarkDecodeBare, BenchmarkDecodeCodec) })
}

// Each pair does the same to the values of the workload, one value an iteration:
// once with a call for the tag and each field, and once through the codec.

func BenchmarkEncodeBare(b *testing.B) {
	b.ReportAllocs()
	var (
		pool = workload.Pool()
		w    = bufio.NewWriter(io.Discard)
	)
	b.ResetTimer()
	for i := range b.N {
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

func BenchmarkEncodeCodec(b *testing.B) {
	client, _ := codecs(0)
	speed.Encode(b, client)
}

func BenchmarkDecodeBare(b *testing.B) {
	client, _ := codecs(0)
	speed.DecodeWith(b, client, func(r *bytes.Reader) error {
		typed.DTMSer.Unmarshal(r)
		var (
			v   = new(sample.EchoCmd) // a command is boxed as well
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

func BenchmarkDecodeCodec(b *testing.B) {
	client, server := codecs(0)
	speed.Decode(b, client, server)
}

// sink keeps what is decoded, as a server would.
var sink any
