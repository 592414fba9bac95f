package suite

import (
	"testing"
	"time"
)

func TestBucketIsWithinOnePercentOfTheTime(t *testing.T) {
	for want := time.Duration(1); want < 1<<topBits; want += want/7 + 1 {
		got := middleOf(bucketOf(want))
		if off := float64(got-want) / float64(want); off < -0.01 || off > 0.01 {
			t.Errorf("%d ns became %d ns", want, got)
		}
	}
}

func TestBucketsGrowWithTheTimeAndStayInRange(t *testing.T) {
	last := -1
	for _, ns := range []time.Duration{-1, 1, 63, 64, 127, 128, 130, 1 << 20, 1<<topBits - 1} {
		bucket := bucketOf(ns)
		if bucket <= last {
			t.Errorf("%d ns is in bucket %d, after %d", ns, bucket, last)
		}
		last = bucket
	}
	if last != buckets-1 || bucketOf(1<<62) != last {
		t.Errorf("the longest times are in buckets %d and %d of %d", last, bucketOf(1<<62), buckets)
	}
}

func TestPercentilesOfKnownTimes(t *testing.T) {
	var h, other Histogram
	for i := range 100 {
		part := &h
		if i%2 == 0 {
			part = &other
		}
		part.Record(time.Duration(i + 1))
	}
	h.Add(&other)
	for fraction, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := h.Percentile(fraction); got != want {
			t.Errorf("percentile %v is %d ns, want %d", fraction, got, want)
		}
	}
	if got := new(Histogram).Percentile(0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
