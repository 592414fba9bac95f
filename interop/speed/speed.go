// Package speed compares the time that two ways of doing the same take; for
// tests.
package speed

import (
	"flag"
	"slices"
	"testing"
)

const (
	// benchTime is long enough for thousands of values, short enough for the
	// two halves of a round to see the same weather.
	benchTime = "30ms"
	rounds    = 11
	attempts  = 4
)

// SkipUnlessMeasurable skips a test that measures where it can't: in a hurry,
// or with the race detector.
func SkipUnlessMeasurable(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("a measurement takes time, and an undisturbed build")
	}
}

// Compare fails the test if the codec takes more than slowest of the time of the
// bare way.
//
// It takes more rounds if the first ones say no, as a busy machine might have
// made them. The verdict is the median of all rounds taken, and never that of
// the best attempt.
func Compare(t *testing.T, slowest float64, bare, codec func(*testing.B)) {
	t.Helper()
	setBenchTime(t)
	var ratios []float64
	for range attempts {
		for round := range rounds {
			ratios = append(ratios, ratio(bare, codec, round%2 == 0))
		}
		slices.Sort(ratios)
		median := ratios[len(ratios)/2]
		t.Logf("median of %d rounds: %.3f of the bare way (%.3f to %.3f)",
			len(ratios), median, ratios[0], ratios[len(ratios)-1])
		if median <= slowest {
			return
		}
	}
	t.Errorf("the codec takes more than %.2f of the time of the bare way", slowest)
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
