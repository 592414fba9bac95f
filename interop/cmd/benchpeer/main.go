// Command benchpeer measures cmd-stream-go: a server and its clients in one
// process, over loopback TCP. It reads one request per line and writes one answer
// per line, both JSON, until its input ends:
//
//	{"format":"json","in_flight":64,"connections":2,"duration_ms":1000,"warmup_ms":200}
//	{"commands":70000,"elapsed_ns":1000000000,"verified":70000,"p50_ns":...,"p99_ns":...,"p999_ns":...,"error":""}
//
// It also answers what the suite asks: see package suite.
//
// All settings are the library's defaults, except the number of connections that
// the server may serve.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"interop/suite"
)

// request asks for one round.
type request struct {
	// Format of the values on the wire.
	Format string `json:"format"`
	// InFlight is the number of commands under way, over all connections.
	InFlight int `json:"in_flight"`
	// Connections of the clients, all to one server.
	Connections int `json:"connections"`
	// DurationMS is the measured time.
	DurationMS int64 `json:"duration_ms"`
	// WarmupMS is the time before it, which does not count.
	WarmupMS int64 `json:"warmup_ms"`
}

// answer is the result of a round.
type answer struct {
	// Commands that were completed in the measured time.
	Commands uint64 `json:"commands"`
	// ElapsedNS is the measured time.
	ElapsedNS int64 `json:"elapsed_ns"`
	// Verified is how many replies were compared with what was sent.
	Verified uint64 `json:"verified"`
	// Percentiles of the time from before a command is sent until its reply
	// has been compared.
	P50NS  int64 `json:"p50_ns"`
	P99NS  int64 `json:"p99_ns"`
	P999NS int64 `json:"p999_ns"`
	// Error says why the round failed; it is empty if it did not.
	Error string `json:"error"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "benchpeer:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var (
		stands  = make(stands)
		answers = json.NewEncoder(out)
		peer    = suite.NewPeer(new(adapter))
		lines   = bufio.NewScanner(in)
	)
	defer stands.close()
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var answer any
		if suite.Is(lines.Bytes()) {
			answer = peer.Respond(lines.Bytes())
		} else {
			answer = respond(stands, lines.Bytes())
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func respond(stands stands, line []byte) answer {
	var r request
	err := json.Unmarshal(line, &r)
	if err == nil {
		err = r.validate()
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	stand, err := stands.find(r.Format)
	if err != nil {
		return answer{Error: err.Error()}
	}
	a, err := stand.round(r)
	if err != nil {
		a.Error = err.Error()
		// Whatever went wrong, the next round starts with a new server.
		stands.drop(r.Format)
	}
	return a
}

func (r request) validate() error {
	switch {
	case r.InFlight < 1:
		return fmt.Errorf("in_flight is %d", r.InFlight)
	case r.Connections < 1 || r.Connections > maxConnections:
		return fmt.Errorf("connections is %d, not from 1 to %d", r.Connections, maxConnections)
	case r.DurationMS < 1:
		return fmt.Errorf("duration_ms is %d", r.DurationMS)
	case r.WarmupMS < 0:
		return fmt.Errorf("warmup_ms is %d", r.WarmupMS)
	}
	return nil
}

func (r request) window() window {
	start := time.Duration(r.WarmupMS) * time.Millisecond
	return window{start: start, end: start + time.Duration(r.DurationMS)*time.Millisecond}
}
