package vectors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// frame is a part of a recorded stream.
type frame struct {
	Hex   string          `json:"hex"`
	Frame string          `json:"frame"`
	Seq   string          `json:"seq"`
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// SessionFiles returns the files of recorded sessions, by the codec that each of
// them says. A file that is dropped into the folder is among them.
func SessionFiles(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for _, file := range files(t) {
		var content struct {
			Codec    string            `json:"codec"`
			Sessions []json.RawMessage `json:"sessions"`
		}
		load(t, file, &content)
		if len(content.Sessions) == 0 {
			continue // about something else
		}
		if content.Codec == "" {
			t.Fatalf("%s does not say its codec", file)
		}
		found[content.Codec] = append(found[content.Codec], file)
	}
	return found
}

// CheckFrames runs a subtest for each connection of each session in the file:
// its frames decode to what they were recorded as, and encode to their bytes.
func (s Subject[T]) CheckFrames(t *testing.T, file string) {
	var content struct {
		Sessions []struct {
			Name        string `json:"name"`
			Connections []struct {
				Commands []frame `json:"client_to_server_frames"`
				Results  []frame `json:"server_to_client_frames"`
			} `json:"connections"`
		} `json:"sessions"`
	}
	load(t, file, &content)
	if len(content.Sessions) == 0 {
		t.Fatal("no sessions in the file")
	}
	for _, session := range content.Sessions {
		for i, connection := range session.Connections {
			t.Run(fmt.Sprintf("%s/%d", session.Name, i), func(t *testing.T) {
				s.checkFrames(t, commands, connection.Commands)
				s.checkFrames(t, results, connection.Results)
			})
		}
	}
}

func (s Subject[T]) checkFrames(t *testing.T, direction string, frames []frame) {
	for _, f := range frames {
		v := Vector{Kind: "roundtrip", Direction: direction, Seq: f.Seq, Type: f.Type, Value: f.Value, Hex: f.Hex}
		switch f.Frame {
		case "server_info":
			// The library's own business.
		case "command", "result":
			s.check(t, v)
		case "ping":
			v.Type = "Ping"
			s.check(t, v)
		case "pong":
			v.Type = "Pong"
			s.check(t, v)
		case "undecodable":
			s.checkUndecodable(t, v)
		default:
			t.Errorf("unknown frame %q", f.Frame)
		}
	}
}

func (s Subject[T]) checkUndecodable(t *testing.T, v Vector) {
	var err error
	commandCodec, resultCodec := s.adapted(0)
	if in := bytes.NewReader(v.frame(t)); v.Direction == commands {
		_, _, _, err = resultCodec.Decode(in)
	} else {
		_, _, _, err = commandCodec.Decode(in)
	}
	if err == nil {
		t.Errorf("%s decoded without an error", v.Hex)
	}
}
