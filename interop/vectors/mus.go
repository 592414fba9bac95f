package vectors

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// MUS is a value in MUS, from one of the files of values.
type MUS struct {
	// Name of the vector.
	Name string
	// Kind as in the README.
	Kind string
	// Type is the name of the serializer, followed by the options, if any, in
	// alphabetical order: ord.string{len=raw.int}.
	Type string
	// Bytes of the value.
	Bytes []byte
	// Consumed is how many of them are read, where that is not all.
	Consumed int
}

// ofConnections are the types of values that only a connection knows.
var ofConnections = []string{"server_info", "seq"}

// MUSFiles returns the names of all files of values in MUS. A file that is
// dropped into the folder is among them.
func MUSFiles(t *testing.T) (found []string) {
	t.Helper()
	for _, file := range files(t) {
		var content struct {
			Vectors []Vector `json:"vectors"`
		}
		load(t, file, &content)
		isOfMUS := func(v Vector) bool {
			return v.Type != "" && v.Kind != "" && v.Direction == "" && !slices.Contains(ofConnections, v.Type)
		}
		if slices.ContainsFunc(content.Vectors, isOfMUS) {
			found = append(found, file)
		}
	}
	if len(found) == 0 {
		t.Fatal("no files of values")
	}
	return found
}

// MUSValues returns the values of a file that are in MUS.
func MUSValues(t *testing.T, file string) (values []MUS) {
	t.Helper()
	var content struct {
		Vectors []struct {
			Vector
			Options map[string]any `json:"options"`
		} `json:"vectors"`
	}
	load(t, file, &content)
	for _, v := range content.Vectors {
		if slices.Contains(ofConnections, v.Type) {
			continue
		}
		value := MUS{Name: v.Name, Kind: v.Kind, Type: v.Type + optionsOf(v.Options), Bytes: v.frame(t)}
		value.Consumed = len(value.Bytes)
		if v.Consumed != nil {
			value.Consumed = *v.Consumed
		}
		values = append(values, value)
	}
	if len(values) == 0 {
		t.Fatalf("no vectors in %s", file)
	}
	return values
}

func optionsOf(options map[string]any) string {
	if len(options) == 0 {
		return ""
	}
	var list []string
	for _, key := range slices.Sorted(maps.Keys(options)) {
		list = append(list, fmt.Sprintf("%s=%v", key, options[key]))
	}
	return "{" + strings.Join(list, ",") + "}"
}
