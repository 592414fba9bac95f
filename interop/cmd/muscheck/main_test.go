package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"interop/vectors"
)

// So each name stands for the serializer that the vectors mean by it.
func TestGoldenVectorsAnswerWithTheirBytes(t *testing.T) {
	for _, file := range vectors.MUSFiles(t) {
		for _, v := range vectors.MUSValues(t, file) {
			if v.Kind == "go_undefined" {
				continue // it may do anything
			}
			t.Run(file+"/"+v.Name, func(t *testing.T) {
				text := hexOf(v.Bytes)
				got := ask(t, v.Type+" "+text)[0]
				want := fmt.Sprintf("%s %d", text, v.Consumed)
				switch v.Kind {
				case "roundtrip":
					if got != want {
						t.Errorf("got %s, want %s", got, want)
					}
				case "decode", "decode_lax":
					// Other bytes than the canonical ones, or in another order.
					if !strings.HasSuffix(got, fmt.Sprintf(" %d", v.Consumed)) || strings.HasPrefix(got, "error ") {
						t.Errorf("got %s, want %d bytes to be decoded", got, v.Consumed)
					}
				case "error":
					if !strings.HasPrefix(got, fmt.Sprintf("error %d ", v.Consumed)) {
						t.Errorf("got %s, want an error after %d bytes", got, v.Consumed)
					}
				default:
					t.Errorf("unknown kind %q", v.Kind)
				}
			})
		}
	}
}

func TestGeneratedFilesAreWhatIsCommitted(t *testing.T) {
	for name := range generated {
		want, err := textOf(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../../../wire/vectors", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what `muscheck generate` writes", name)
		}
	}
}

func TestLinesAreAnsweredInOrder(t *testing.T) {
	got := ask(t, "struct.Empty -", "ord.bool 01", "ord.bool 02", "ord.string 03616263ff")
	want := []string{"- 0", "01 1", "error 1 mus: wrong format", "03616263 4"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNestedTypesComeBack(t *testing.T) {
	for _, line := range []string{
		"struct.Tree 0202" + "0100" + "04" + "01" + "0600",
		"ord.slice<union.Shape> 03" + "010a" + "0203616263" + "0101",
		"ord.slice<struct.Empty> 03",
		"defined.Duration{varint} 80897a",
		"pm.slice<ptr<ord.string>> 04" + "020001" + "61" + "01" + "020100" + "0200",
	} {
		_, text, _ := strings.Cut(line, " ")
		if got := ask(t, line)[0]; got != fmt.Sprintf("%s %d", text, len(text)/2) {
			t.Errorf("%s: got %s", line, got)
		}
	}
}

func TestLineThatMakesNoSenseFails(t *testing.T) {
	for _, line := range []string{"ord.bool", "no.type 00", "ord.bool 0", "ord.bool zz"} {
		if err := run(strings.NewReader(line+"\n"), new(strings.Builder)); err == nil {
			t.Errorf("%q was answered", line)
		}
	}
}

func hexOf(bytes []byte) string {
	if len(bytes) == 0 {
		return "-"
	}
	return hex.EncodeToString(bytes)
}

func ask(t *testing.T, lines ...string) []string {
	t.Helper()
	var out strings.Builder
	if err := run(strings.NewReader(strings.Join(lines, "\n")+"\n"), &out); err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(answers) != len(lines) {
		t.Fatalf("%d answers to %d lines", len(answers), len(lines))
	}
	return answers
}
