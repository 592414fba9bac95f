package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"interop/sample"
)

func TestRoundsAreMeasuredAndVerified(t *testing.T) {
	// Fewer tasks than connections, the same connections again, then others.
	for i, a := range measure(t,
		`{"format":"json","in_flight":1,"connections":2,"duration_ms":60,"warmup_ms":20}`,
		``,
		`{"format":"json","in_flight":64,"connections":2,"duration_ms":60,"warmup_ms":0}`,
		`{"format":"json","in_flight":64,"connections":12,"duration_ms":60,"warmup_ms":20}`,
	) {
		if a.Error != "" || a.Commands == 0 || a.Verified != a.Commands || a.ElapsedNS != 60e6 {
			t.Errorf("round %d: %+v", i, a)
		}
		if a.P50NS <= 0 || a.P99NS < a.P50NS || a.P999NS < a.P99NS {
			t.Errorf("round %d has percentiles %d, %d, %d", i, a.P50NS, a.P99NS, a.P999NS)
		}
	}
}

func TestEachFormatIsMeasured(t *testing.T) {
	for _, format := range []string{"json", "mus", "protobuf"} {
		a := measure(t, `{"format":"`+format+`","in_flight":64,"connections":2,"duration_ms":60,"warmup_ms":20}`)[0]
		if a.Error != "" || a.Commands == 0 || a.Verified != a.Commands {
			t.Errorf("%s: %+v", format, a)
		}
	}
}

func TestBadRequestsAreAnsweredAndTheNextOneWorks(t *testing.T) {
	answers := measure(t,
		`no JSON`,
		`{"format":"xml","in_flight":1,"connections":1,"duration_ms":1}`,
		`{"format":"json","in_flight":0,"connections":1,"duration_ms":1}`,
		`{"format":"json","in_flight":1,"connections":0,"duration_ms":1}`,
		`{"format":"json","in_flight":1,"connections":1,"duration_ms":0}`,
		`{"format":"json","in_flight":1,"connections":1,"duration_ms":20,"warmup_ms":-1}`,
		`{"format":"json","in_flight":1,"connections":1,"duration_ms":20}`,
	)
	last := len(answers) - 1
	for i, a := range answers[:last] {
		if a.Error == "" {
			t.Errorf("request %d was accepted: %+v", i, a)
		}
	}
	if a := answers[last]; a.Error != "" || a.Commands == 0 {
		t.Errorf("the good request: %+v", a)
	}
}

func TestWrongReplyFailsTheRound(t *testing.T) {
	old := boxed[0]
	defer func() { boxed[0] = old }()
	boxed[0] = sample.EchoCmd{String: "not what the round compares with"}

	answers := ask(t, `{"format":"json","in_flight":4,"connections":2,"duration_ms":20}`)
	if !strings.HasPrefix(answers[0].Error, "value 0 came back as ") {
		t.Errorf("got %+v", answers[0])
	}
}

// measure asks again, up to 50 times, as long as a round had no time for a single
// command: a busy machine may not have run this process within the window.
func measure(t *testing.T, requests ...string) (answers []answer) {
	t.Helper()
	for range 50 {
		answers = ask(t, requests...)
		starved := func(a answer) bool { return a.Error == "" && a.Commands == 0 }
		if !slices.ContainsFunc(answers, starved) {
			break
		}
	}
	return answers
}

func ask(t *testing.T, requests ...string) (answers []answer) {
	t.Helper()
	var out bytes.Buffer
	if err := run(strings.NewReader(strings.Join(requests, "\n")+"\n"), &out); err != nil {
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var a answer
		if err := decoder.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers
}
