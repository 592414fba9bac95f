package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestLinesAreAnswered(t *testing.T) {
	in := "bytes \"AQI=\"\narray [1]\nint 1.5\n"
	want := "\"AQI=\"\n[1,0]\nerror json: cannot unmarshal number 1.5 into Go value of type int\n"
	var out bytes.Buffer
	if err := run(strings.NewReader(in), &out); err != nil || out.String() != want {
		t.Fatalf("%q, %v", out.String(), err)
	}
}

func TestLinesWithoutSenseAreRefused(t *testing.T) {
	for _, in := range []string{"bytes\n", "no_such_type 1\n"} {
		if err := run(strings.NewReader(in), &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
}

// What Go writes, Go reads and writes again.
func TestSamplesAreReadAsTheyAreWritten(t *testing.T) {
	var lines, again bytes.Buffer
	if err := samples(&lines); err != nil {
		t.Fatal(err)
	}
	if err := run(strings.NewReader(lines.String()), &again); err != nil {
		t.Fatal(err)
	}
	want := strings.Split(lines.String(), "\n")
	for i, got := range strings.Split(again.String(), "\n") {
		if _, value, _ := strings.Cut(want[i], " "); value != got {
			t.Errorf("%s became %s", want[i], got)
		}
	}
}
