// Package memory measures what code allocates; for tests.
package memory

import "runtime"

// Allocated returns how many bytes of the heap body asks for, together with
// whatever else goes on meanwhile.
func Allocated(body func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
