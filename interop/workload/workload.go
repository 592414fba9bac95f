// Package workload makes the values that benchmarks send. The same algorithm on
// the Rust side makes the same values, so that all participants carry the same
// bytes.
package workload

import (
	"github.com/cmd-stream/cmd-stream-go/core"

	"interop/sample"
)

// Size is the number of different values.
const Size = 1024

// seed is where the generator starts: any number but 0 would do.
const seed = 0x9E3779B97F4A7C15

// Pool returns the values, the same ones at each call.
//
// Of each value, the fields are drawn in this order: Bool is the lowest bit of a
// number; Int64 is a number; String has (a number modulo 1001) characters, each
// of them 'a' plus (a number modulo 26); Float64 is (the upper 53 bits of a
// number) / 1024.
func Pool() []sample.EchoCmd {
	numbers := generator(seed)
	pool := make([]sample.EchoCmd, Size)
	for i := range pool {
		pool[i] = numbers.value()
	}
	return pool
}

// Boxed returns the values as the library takes them. Made into interfaces once,
// they cost no allocation when they are sent.
func Boxed() []core.Cmd[sample.Receiver] {
	boxed := make([]core.Cmd[sample.Receiver], Size)
	for i, value := range Pool() {
		boxed[i] = value
	}
	return boxed
}

// generator is xorshift64 with the shifts 13, 7 and 17.
type generator uint64

func (g *generator) next() uint64 {
	*g ^= *g << 13
	*g ^= *g >> 7
	*g ^= *g << 17
	return uint64(*g)
}

func (g *generator) value() (v sample.EchoCmd) {
	v.Bool = g.next()&1 == 1
	v.Int64 = int64(g.next())
	v.String = g.text(int(g.next() % 1001))
	v.Float64 = float64(int64(g.next()>>11)) / 1024
	return v
}

func (g *generator) text(length int) string {
	text := make([]byte, length)
	for i := range text {
		text[i] = 'a' + byte(g.next()%26)
	}
	return string(text)
}

// Sized returns values whose strings have exactly this many bytes: fewer of them,
// the larger they are, but at least sixteen. Otherwise they are drawn as those of
// Pool, and the string of that length follows the other fields.
func Sized(bytes int) []sample.EchoCmd {
	const most = 4 << 20
	numbers := generator(seed)
	pool := make([]sample.EchoCmd, min(max(most/max(bytes, 1), 16), Size))
	for i := range pool {
		pool[i] = numbers.value()
		pool[i].String = numbers.text(bytes)
	}
	return pool
}
