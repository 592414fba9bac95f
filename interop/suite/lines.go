// Package suite is what the Go participants of the benchmark suite share: the
// lines to its runner, the load generators, and what they measure. It does what
// the crate bench-harness does for the participants in Rust.
package suite

// ask is a request of the runner. Which fields it has depends on Ask.
type ask struct {
	Ask          string     `json:"ask"`
	Setting      Setting    `json:"setting"`
	Server       *elsewhere `json:"server"`
	Connections  int        `json:"connections"`
	PayloadBytes *int       `json:"payload_bytes"`
	WarmupMS     int64      `json:"warmup_ms"`
	DurationMS   int64      `json:"duration_ms"`
	Load         load       `json:"load"`
}

// Setting is what both ends must know.
type Setting struct {
	Format    string  `json:"format"`
	Transport string  `json:"transport"`
	DelayMS   int64   `json:"delay_ms"`
	Variant   *string `json:"variant"`
	// Connections is how many the server will have, at most.
	Connections int `json:"connections"`
}

// elsewhere is a server in another process.
type elsewhere struct {
	Address string `json:"address"`
	PID     int    `json:"pid"`
}

// load is what the client does. Which fields it has depends on Kind.
type load struct {
	Kind         string  `json:"kind"`
	InFlight     int     `json:"in_flight"`
	Calls        int     `json:"calls"`
	Replies      int     `json:"replies"`
	Idle         int     `json:"idle"`
	BurnMS       int     `json:"burn_ms"`
	OfferedPerS  float64 `json:"offered_per_s"`
	MostInFlight int     `json:"most_in_flight"`
}

// Description says who a participant is, and what it has.
type Description struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Settings   string   `json:"settings"`
	Language   string   `json:"language"`
	Formats    []string `json:"formats"`
	Transports []string `json:"transports"`
	Can        []string `json:"can"`
}

// Everything is all that a participant may be able to do.
func Everything() []string {
	return []string{"closed", "burst", "stream", "idle", "burning", "open", "payload", "apart"}
}

// serving answers that a server was started or stopped.
type serving struct {
	Address string `json:"address"`
	Error   string `json:"error"`
}

// outcome is the result of a round.
type outcome struct {
	Commands               uint64   `json:"commands"`
	Verified               uint64   `json:"verified"`
	Missed                 uint64   `json:"missed"`
	ElapsedNS              int64    `json:"elapsed_ns"`
	CPUNS                  *int64   `json:"cpu_ns"`
	Latency                *latency `json:"latency"`
	ServerRSSKiB           *uint64  `json:"server_rss_kib"`
	MemoryKiBPerConnection *float64 `json:"memory_kib_per_connection"`
	AllocationsPerCommand  *float64 `json:"allocations_per_command"`
	BytesPerCommand        *float64 `json:"bytes_per_command"`
	Error                  string   `json:"error"`
}

// latency is in microseconds.
type latency struct {
	Min  float64      `json:"min"`
	P50  float64      `json:"p50"`
	P90  float64      `json:"p90"`
	P99  float64      `json:"p99"`
	P999 float64      `json:"p999"`
	Max  float64      `json:"max"`
	CDF  [][2]float64 `json:"cdf"`
}

// latencyOf returns nil if nothing was recorded.
func latencyOf(h *Histogram) *latency {
	if h.Percentile(1) == 0 {
		return nil
	}
	at := func(fraction float64) float64 { return float64(h.Percentile(fraction).Nanoseconds()) / 1e3 }
	l := &latency{Min: at(0), P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: at(1)}
	step := func(from, to, by int) {
		for n := from; n < to; n += by {
			point := [2]float64{at(float64(n) / 10_000), float64(n) / 10_000}
			if last := len(l.CDF) - 1; last >= 0 && l.CDF[last][0] == point[0] {
				l.CDF[last] = point
			} else {
				l.CDF = append(l.CDF, point)
			}
		}
	}
	// As in Rust: closer to each other in the tail.
	step(50, 9_000, 150)
	step(9_000, 9_900, 100)
	step(9_900, 9_990, 10)
	step(9_990, 10_001, 1)
	return l
}
