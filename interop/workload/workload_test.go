package workload

import (
	"hash/fnv"
	"testing"
)

// The figures are for the generator on the Rust side to be held to as well.
func TestPoolIsTheAgreedOne(t *testing.T) {
	pool := Pool()
	first, last := pool[0], pool[len(pool)-1]
	if !first.Bool || first.Int64 != 7273575876580499574 || len(first.String) != 322 ||
		first.Float64 != 1.7378997480287627e+12 {
		t.Errorf("the first value is %+v", first)
	}
	if !last.Bool || last.Int64 != 4212939005409965565 || len(last.String) != 603 ||
		last.Float64 != 3.2076287677447217e+12 {
		t.Errorf("the last value is %+v", last)
	}
	characters, hash := 0, fnv.New64a()
	for _, value := range pool {
		characters += len(value.String)
		hash.Write([]byte(value.String))
	}
	if len(pool) != Size || characters != 510685 || hash.Sum64() != 0xb52c5114294f9d1a {
		t.Errorf("%d values, %d characters, FNV-1a of them all %#x", len(pool), characters, hash.Sum64())
	}
}
