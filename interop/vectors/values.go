package vectors

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/delegate"
)

// Parse makes a value of a type that JSON can spell.
func Parse[V any](t *testing.T, text json.RawMessage) (v V) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Float64 also takes the spelling of floats that JSON has no numbers for.
func Float64(t *testing.T, text json.RawMessage) float64 {
	t.Helper()
	if !bytes.HasPrefix(text, []byte("{")) {
		return Parse[float64](t, text)
	}
	float := Parse[struct {
		Bits string `json:"bits"`
	}](t, text)
	bits, err := strconv.ParseUint(float.Bits, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return math.Float64frombits(bits)
}

// value is nil if the vector has none.
func (s Subject[T]) value(t *testing.T, v Vector) any {
	switch v.Type {
	case "":
		return nil
	case "Ping":
		return delegate.PingCmd[T]{}
	case "Pong":
		return delegate.PongResult{}
	}
	if v.Value == nil {
		return nil
	}
	value, known := s.Value(t, v.Type, v.Value)
	if !known {
		t.Fatalf("unknown type %q", v.Type)
	}
	return value
}

// same tells whether two values are deeply equal, floats by their bits. They
// hold no floats below pointers, slices and maps.
func same(a, b any) bool { return sameValues(reflect.ValueOf(a), reflect.ValueOf(b)) }

func sameValues(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() || a.Type() != b.Type() {
		return a.IsValid() == b.IsValid() && !a.IsValid()
	}
	switch a.Kind() {
	case reflect.Float64:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case reflect.Struct:
		for i := range a.NumField() {
			if !sameValues(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
