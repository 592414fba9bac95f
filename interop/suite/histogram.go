package suite

import (
	"math/bits"
	"time"
)

const (
	// Each power of two of nanoseconds is divided into this many parts, so that
	// a recorded time is off by at most 1/128, which is less than 1 %.
	partBits = 6
	parts    = 1 << partBits
	// Times of 2^topBits ns (18 minutes) or more count in the last bucket.
	topBits = 40
	buckets = (topBits - partBits + 1) * parts
)

// Histogram counts times. It has a fixed size and no lock: each task has one of
// its own, and they are added up after the round.
type Histogram [buckets]uint32

// Record counts a time.
func (h *Histogram) Record(t time.Duration) { h[bucketOf(t)]++ }

// Add counts what another one has counted.
func (h *Histogram) Add(other *Histogram) {
	for i, count := range other {
		h[i] += count
	}
}

// Percentile returns the time that this fraction of the recorded times does not
// exceed, rounded up. It returns 0 if there are none.
func (h *Histogram) Percentile(fraction float64) time.Duration {
	var total, seen uint64
	for _, count := range h {
		total += uint64(count)
	}
	for i, count := range h {
		seen += uint64(count)
		if count > 0 && float64(seen) >= fraction*float64(total) {
			return middleOf(i)
		}
	}
	return 0
}

// bucketOf returns the bucket of a time. Each of the first nanoseconds has a bucket
// of its own; each power of two above them has as many buckets as parts.
func bucketOf(t time.Duration) int {
	ns := uint64(min(max(t, 0), 1<<topBits-1))
	if ns < parts {
		return int(ns)
	}
	shift := bits.Len64(ns) - partBits - 1
	return shift*parts + int(ns>>shift)
}

// middleOf is the time in the middle of a bucket.
func middleOf(bucket int) time.Duration {
	if bucket < 2*parts {
		return time.Duration(bucket)
	}
	shift := bucket/parts - 1
	low := uint64(bucket-shift*parts) << shift
	return time.Duration(low + 1<<(shift-1))
}
