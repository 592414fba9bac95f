package main

import (
	"math/bits"
	"time"
)

const (
	// A power of two of nanoseconds is cut into this many parts, so that a
	// recorded time is at most 1/128, less than 1 %, away from what it was.
	partBits = 6
	parts    = 1 << partBits
	// Times from 2^topBits ns on, 18 minutes, count as if they were below.
	topBits = 40
	buckets = (topBits - partBits + 1) * parts
)

// histogram counts times. It has a fixed size and no lock: each task has one of
// its own, and they are added up after the round.
type histogram [buckets]uint32

func (h *histogram) record(t time.Duration) { h[bucketOf(t)]++ }

func (h *histogram) add(other *histogram) {
	for i, count := range other {
		h[i] += count
	}
}

// percentile returns the time that a fraction of the recorded ones, rounded up,
// does not exceed, and 0 if there are none.
func (h *histogram) percentile(fraction float64) time.Duration {
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

// bucketOf gives each of the first nanoseconds a bucket, then each power of two
// as many buckets as there are parts.
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
