package jsoncodec_test

import (
	"flag"
	"slices"
	"testing"
)

const (
	// slowest is how much longer than bare encoding/json the codec may take.
	slowest = 1.10
	// benchTime is long enough for thousands of values, short enough for the
	// two halves of a round to see the same weather.
	benchTime = "30ms"
	rounds    = 11
	attempts  = 4
)

// Comparisons against the Go library would be unfair if its codec was slow.
func TestCodecIsNoSlowerThanBareJSON(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("a measurement takes time, and an undisturbed build")
	}
	setBenchTime(t)
	t.Run("encode", func(t *testing.T) { compare(t, BenchmarkEncodeBare, BenchmarkEncodeCodec) })
	t.Run("decode", func(t *testing.T) { compare(t, BenchmarkDecodeBare, BenchmarkDecodeCodec) })
}

// compare takes more rounds if the first ones say no, as a busy machine might
// have made them. The verdict is the median of all rounds taken, and never that
// of the best attempt.
func compare(t *testing.T, bare, codec func(*testing.B)) {
	var ratios []float64
	for range attempts {
		for round := range rounds {
			ratios = append(ratios, ratio(bare, codec, round%2 == 0))
		}
		slices.Sort(ratios)
		median := ratios[len(ratios)/2]
		t.Logf("median of %d rounds: %.3f of bare encoding/json (%.3f to %.3f)",
			len(ratios), median, ratios[0], ratios[len(ratios)-1])
		if median <= slowest {
			return
		}
	}
	t.Errorf("the codec takes more than %.2f of the time of bare encoding/json", slowest)
}

// ratio runs both benchmarks; which goes first alternates between rounds.
func ratio(bare, codec func(*testing.B), bareFirst bool) float64 {
	if bareFirst {
		base := nanoseconds(bare)
		return nanoseconds(codec) / base
	}
	own := nanoseconds(codec)
	return own / nanoseconds(bare)
}

func nanoseconds(benchmark func(*testing.B)) float64 {
	result := testing.Benchmark(benchmark)
	return float64(result.T.Nanoseconds()) / float64(result.N)
}

func setBenchTime(t *testing.T) {
	option := flag.Lookup("test.benchtime")
	old := option.Value.String()
	if err := option.Value.Set(benchTime); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { option.Value.Set(old) })
}
