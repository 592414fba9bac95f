package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"interop/sample"
)

// fake is a library without a wire. It answers at once, but for a stall; or it
// lies.
type fake struct {
	lies     bool
	from, to time.Time
}

func (f *fake) Describe() Description        { return Description{Name: "fake"} }
func (f *fake) Box(v sample.EchoCmd) any     { return v }
func (f *fake) Caller() Caller               { return f }
func (f *fake) Close()                       {}
func (f *fake) Burn(millis int) error        { Burn(millis); return nil }
func (f *fake) Stream(replies int) error     { return nil }
func (f *fake) stall(after, d time.Duration) { f.from = time.Now().Add(after); f.to = f.from.Add(d) }

func (f *fake) Serve(Setting) (string, func() error, error) {
	return "nowhere", func() error { return nil }, nil
}

func (f *fake) Connect(Setting, string) (Conn, error) { return f, nil }

func (f *fake) Echo(*Value) error {
	if now := time.Now(); now.After(f.from) && now.Before(f.to) {
		time.Sleep(time.Until(f.to))
	}
	time.Sleep(time.Microsecond)
	if f.lies {
		return errors.New("another value came back")
	}
	return nil
}

var loads = []string{
	`{"kind":"closed","in_flight":4}`,
	`{"kind":"burst","calls":100}`,
	`{"kind":"idle","idle":10}`,
	`{"kind":"burning","in_flight":4,"burn_ms":5}`,
	`{"kind":"open","offered_per_s":1000,"most_in_flight":1000}`,
}

func TestEachLoadIsMeasured(t *testing.T) {
	for _, load := range loads {
		o := run(t, new(fake), load, 100)
		if o.Error != "" || o.Commands == 0 || o.Verified < o.Commands || o.ElapsedNS == 0 || o.CPUNS == nil || o.Latency == nil {
			t.Errorf("%s: %+v", load, o)
		}
	}
	if o := run(t, new(fake), `{"kind":"stream","replies":10}`, 100); o.Error != "" || o.Commands == 0 || o.Commands%10 != 0 {
		t.Errorf("stream: %+v", o)
	}
}

func TestWrongReplyFailsEachLoad(t *testing.T) {
	for _, load := range loads {
		if o := run(t, &fake{lies: true}, load, 100); !strings.Contains(o.Error, "came back") {
			t.Errorf("%s: %+v", load, o)
		}
	}
}

func TestOpenLoopCountsFromTheIntendedTime(t *testing.T) {
	f := new(fake)
	f.stall(100*time.Millisecond, 100*time.Millisecond)
	o := run(t, f, `{"kind":"open","offered_per_s":1000,"most_in_flight":1000}`, 500)
	if o.Error != "" || o.Commands+o.Missed != 500 || o.Latency.P99 < 75_000 {
		t.Errorf("after a stall of 100 ms: %+v", o)
	}
	f.stall(100*time.Millisecond, 200*time.Millisecond)
	o = run(t, f, `{"kind":"open","offered_per_s":1000,"most_in_flight":50}`, 500)
	if o.Error != "" || o.Commands+o.Missed != 500 || o.Missed < 100 {
		t.Errorf("with at most 50 in flight: %+v", o)
	}
}

func TestLinesAreThoseOfTheRunner(t *testing.T) {
	var out bytes.Buffer
	asks := strings.Join([]string{
		`{"ask":"describe"}`,
		`{"ask":"serve","setting":{"format":"mus","transport":"tcp","delay_ms":0,"variant":null,"connections":2}}`,
		`{"ask":"stop"}`,
		`{"ask":"sing"}`,
		`no JSON`,
	}, "\n")
	if err := Run(new(fake), strings.NewReader(asks), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []string{`"name":"fake"`, `"address":"nowhere"`, `"error":""`, `unknown ask`, `invalid character`} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d of %q has no %s", i, lines, want)
		}
	}
	if Is([]byte(`{"format":"json"}`)) || !Is([]byte(asks[:18])) {
		t.Error("lines are taken for others")
	}
}

func TestCPUTimeAndMemoryAreRead(t *testing.T) {
	before, err := meter{}.read()
	if err != nil {
		t.Fatal(err)
	}
	Burn(30)
	if after, err := (meter{}).read(); err != nil || after <= before {
		t.Errorf("%v after %v: %v", after, before, err)
	}
	if bytes, err := resident(meter{}.serverPID()); err != nil || bytes < 1<<20 {
		t.Errorf("%d bytes: %v", bytes, err)
	}
}

func run(t *testing.T, f *fake, load string, millis int) (o outcome) {
	t.Helper()
	line := fmt.Sprintf(`{"ask":"measure","setting":{"format":"mus","transport":"tcp"},"connections":2,"warmup_ms":0,`+
		`"duration_ms":%d,"load":%s}`, millis, load)
	answer, err := json.Marshal(NewPeer(f).Respond([]byte(line)))
	if err != nil {
		t.Fatal(err)
	}
	if err = json.Unmarshal(answer, &o); err != nil {
		t.Fatal(err)
	}
	return o
}
