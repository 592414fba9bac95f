// Package vectors holds codecs to the golden vectors in wire/vectors, byte by
// byte and error by error. It is for tests; the README of that folder says what
// the files mean.
//
// A vector of a kind, type, direction or error that is not known fails its test.
package vectors

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"
)

// folder is where the vectors are, seen from the parent of this module.
const folder = "wire/vectors"

// Subject is what is held to the vectors.
type Subject[T any] struct {
	// Codecs makes the codecs under test. A maxLength above 0 bounds the body.
	Codecs func(maxLength int) (client.Codec[T], server.Codec[T])
	// Value makes the command or result of a type out of its JSON; false if it
	// knows no such type.
	Value func(t *testing.T, name string, value json.RawMessage) (any, bool)
	// IsError tells whether err is the error of that code, which is none of
	// those that mean the same in all codecs. It may be nil.
	IsError func(code string, err error) bool
}

// Vector is a whole frame: seq and what a codec makes of a value.
type Vector struct {
	Name      string          `json:"name"`
	Kind      string          `json:"kind"`
	Direction string          `json:"direction"`
	Seq       string          `json:"seq"`
	Type      string          `json:"type"`
	Value     json.RawMessage `json:"value"`
	Hex       string          `json:"hex"`
	Consumed  *int            `json:"consumed"`
	Error     string          `json:"error"`
	MaxLen    int             `json:"max_len"`
}

const (
	commands = "client_to_server"
	results  = "server_to_client"
)

// FrameFiles returns the files of whole frames, by the name of their codec:
// codec_json.json and codec_json_more.json are files of json. A file that is
// dropped into the folder is among them.
func FrameFiles(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for _, file := range files(t) {
		var content struct {
			Vectors []Vector `json:"vectors"`
		}
		load(t, file, &content)
		if len(content.Vectors) == 0 || content.Vectors[0].Kind == "" || content.Vectors[0].Direction == "" {
			continue // about something else
		}
		name, isNamed := strings.CutPrefix(file, "codec_")
		if !isNamed {
			t.Fatalf("%s: frames of a codec that its name does not say", file)
		}
		codec := name[:strings.IndexAny(name, "_.")]
		found[codec] = append(found[codec], file)
	}
	return found
}

// Check runs a subtest for each vector of a file of frames.
func (s Subject[T]) Check(t *testing.T, file string) {
	var content struct {
		Vectors []Vector `json:"vectors"`
	}
	load(t, file, &content)
	if len(content.Vectors) == 0 {
		t.Fatal("no vectors in the file")
	}
	for _, v := range content.Vectors {
		t.Run(v.Name, func(t *testing.T) { s.check(t, v) })
	}
}

func (s Subject[T]) check(t *testing.T, v Vector) {
	commandCodec, resultCodec := s.adapted(v.MaxLen)
	switch v.Direction {
	case commands:
		trial[core.Cmd[T]]{v, commandCodec, resultCodec, s.value(t, v), s.IsError}.run(t)
	case results:
		trial[core.Result]{v, resultCodec, commandCodec, s.value(t, v), s.IsError}.run(t)
	default:
		t.Fatalf("unknown direction %q", v.Direction)
	}
}

// Hostile returns the bytes that a raw peer sends to a server, by the name of
// the vector, for the codecs of that name.
func Hostile(t *testing.T, codec string) map[string][]byte {
	t.Helper()
	var content struct {
		Vectors []struct {
			Name  string `json:"name"`
			Codec string `json:"codec"`
			Hex   string `json:"client_to_server"`
		} `json:"vectors"`
	}
	load(t, "hostile.json", &content)
	found := make(map[string][]byte)
	for _, v := range content.Vectors {
		if v.Codec == codec {
			found[v.Name] = unhex(t, v.Hex)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no hostile vectors for %s", codec)
	}
	return found
}

// files returns the names of all files of the folder.
func files(t *testing.T) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(base(), folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	if len(names) == 0 {
		t.Fatal("no vectors in the folder")
	}
	return names
}

func load(t *testing.T, file string, content any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(base(), folder, file))
	if err == nil {
		err = json.Unmarshal(text, content)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// base is the parent of this module, seen from the folder of a package, in
// which its tests run, some way below.
func base() string {
	base := ".."
	for range 5 {
		if _, err := os.Stat(filepath.Join(base, folder)); err == nil {
			break
		}
		base = filepath.Join(base, "..")
	}
	return base
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	bytes, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func (v Vector) frame(t *testing.T) []byte { return unhex(t, v.Hex) }

func (v Vector) seq(t *testing.T) core.Seq {
	seq, err := strconv.ParseInt(v.Seq, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return core.Seq(seq)
}
