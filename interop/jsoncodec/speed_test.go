package jsoncodec_test

import (
	"testing"

	"interop/speed"
)

// slowest is how much longer than bare encoding/json the codec may take.
const slowest = 1.10

// Comparisons against the Go library would be unfair if its codec was slow.
func TestCodecIsNoSlowerThanBareJSON(t *testing.T) {
	speed.SkipUnlessMeasurable(t)
	t.Run("encode", func(t *testing.T) { speed.Compare(t, slowest, BenchmarkEncodeBare, BenchmarkEncodeCodec) })
	t.Run("decode", func(t *testing.T) { speed.Compare(t, slowest, BenchmarkDecodeBare, BenchmarkDecodeCodec) })
}
