package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mus-format/mus-stream-go"
)

// golden is a vector, as the README of wire/vectors says.
type golden struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Type        string            `json:"type"`
	Kind        string            `json:"kind"`
	Value       any               `json:"value"`
	Hex         string            `json:"hex"`
	Options     map[string]string `json:"options,omitempty"`
	Consumed    *int              `json:"consumed,omitempty"`
	Error       string            `json:"error,omitempty"`
	ErrorText   string            `json:"error_text,omitempty"`
}

// goldenFile is a file of vectors.
type goldenFile struct {
	Doc     string   `json:"doc"`
	Vectors []golden `json:"vectors"`
}

// generated are the files that this program makes, by name. The others in the
// folder were made before it.
var generated = map[string]func() goldenFile{
	"foreign.json": foreignVectors,
	"unsafe.json":  unsafeVectors,
}

// generate writes the files into a folder.
func generate(folder string) error {
	for name := range generated {
		text, err := textOf(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func textOf(name string) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(generated[name]()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text.Bytes(), nil
}

// roundTrip is the vector of a value: its bytes are those that Go writes, and
// Go reads all of them again.
func roundTrip[T any](name, typeName string, s mus.Serializer[T], value T, shown any) golden {
	var out bytes.Buffer
	if _, err := s.Marshal(value, &out); err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	text := hex.EncodeToString(out.Bytes())
	if _, n, err := s.Unmarshal(&out); err != nil || n != len(text)/2 || out.Len() != 0 {
		panic(fmt.Sprintf("%s: read %d of %d bytes: %v", name, n, len(text)/2, err))
	}
	return golden{Name: name, Type: typeName, Kind: "roundtrip", Value: shown, Hex: text}
}

// refused is the vector of bytes that Go refuses.
func refused[T any](name, typeName, code string, s mus.Serializer[T], text string) golden {
	in, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	_, n, err := s.Unmarshal(bytes.NewReader(in))
	if err == nil {
		panic(fmt.Sprintf("%s is not refused", name))
	}
	return golden{Name: name, Type: typeName, Kind: "error", Hex: text, Consumed: &n, Error: code, ErrorText: err.Error()}
}

func (g golden) with(description string, options map[string]string) golden {
	g.Description, g.Options = description, options
	return g
}
