package vectors_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/jsoncodec"
	"interop/memory"
	"interop/muscodec"
	"interop/prefixed"
	"interop/protobufcodec"
	"interop/protosample"
	"interop/sample"
	"interop/tagged"
	"interop/vectors"
)

func TestCodecsAreThoseOfTheGoldenVectors(t *testing.T) {
	checkFiles(t, vectors.FrameFiles(t), checkFrames)
}

func TestCodecsAreThoseOfTheRecordedSessions(t *testing.T) {
	checkFiles(t, vectors.SessionFiles(t), checkSessions)
}

// checkFiles runs a subtest for each file. Each codec must have one, and each
// file a codec.
func checkFiles(t *testing.T, files map[string][]string, check map[string]func(*testing.T, string)) {
	for codec := range check {
		if len(files[codec]) == 0 {
			t.Errorf("no file of the codec %s", codec)
		}
	}
	for codec, names := range files {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				if check[codec] == nil {
					t.Fatalf("unknown codec %q", codec)
				}
				check[codec](t, name)
			})
		}
	}
}

var (
	jsonSubject     = vectors.Subject[sample.Receiver]{Codecs: jsonCodecs, Value: jsonValue}
	musSubject      = vectors.Subject[sample.Receiver]{Codecs: musCodecs, Value: sampleValue}
	protobufSubject = vectors.Subject[protosample.Receiver]{Codecs: protobufCodecs, Value: protobufValue}
)

var checkFrames = map[string]func(*testing.T, string){
	"json": jsonSubject.Check, "mus": musSubject.Check, "protobuf": protobufSubject.Check,
}

var checkSessions = map[string]func(*testing.T, string){
	"json": jsonSubject.CheckFrames, "mus": musSubject.CheckFrames, "protobuf": protobufSubject.CheckFrames,
}

func TestATypeThatIsNotOnTheListIsRefusedAndNothingIsWritten(t *testing.T) {
	jsonClient, _ := jsonCodecs(0)
	protobufClient, _ := protobufCodecs(0)
	t.Run("json", func(t *testing.T) { checkUnknownType(t, jsonClient, unregistered{}) })
	t.Run("protobuf", func(t *testing.T) { checkUnknownType(t, protobufClient, struct{ protosample.Cmd1 }{}) })
}

func checkUnknownType[T any](t *testing.T, codec client.Codec[T], cmd core.Cmd[T]) {
	w := bufio.NewWriter(io.Discard)
	n, err := codec.Encode(cmd, w)
	if !errors.Is(err, tagged.ErrUnknownType) || n != 0 || w.Buffered() != 0 {
		t.Errorf("counted %d bytes, wrote %d, error %v", n, w.Buffered(), err)
	}
}

// A robust server closes the connection or waits. With a limit, these codecs
// close it, right after the length.
func TestHostileLengthsAreRefusedBeforeAnythingIsAllocated(t *testing.T) {
	const limit = 4 << 20
	_, jsonServer := jsonCodecs(limit)
	_, musServer := musCodecs(limit)
	_, protobufServer := protobufCodecs(limit)
	t.Run("json", func(t *testing.T) { checkHostile(t, jsonServer, "json") })
	t.Run("mus", func(t *testing.T) { checkHostile(t, musServer, "mus") })
	t.Run("protobuf", func(t *testing.T) { checkHostile(t, protobufServer, "protobuf") })
}

func checkHostile[T any](t *testing.T, codec server.Codec[T], format string) {
	lengths := 0
	for name, frame := range vectors.Hostile(t, format) {
		if !bytes.Contains([]byte(name), []byte("_length_2^")) {
			continue // about something else
		}
		lengths++
		var err error
		allocated := memory.Allocated(func() {
			_, _, err = codec.Decode(bytes.NewReader(frame[1:])) // without seq
		})
		var tooLarge *prefixed.TooLargeError
		if !errors.As(err, &tooLarge) {
			t.Errorf("%s: got %v", name, err)
		}
		if allocated > 64<<10 {
			t.Errorf("%s: allocated %d bytes", name, allocated)
		}
	}
	if lengths == 0 {
		t.Error("no hostile length was tried")
	}
}

func jsonCodecs(maxLength int) (client.Codec[sample.Receiver], server.Codec[sample.Receiver]) {
	return jsoncodec.NewClient(sample.JSON(), maxLength), jsoncodec.NewServer(sample.JSON(), maxLength)
}

// The serializers have limits of their own, and the vectors of MUS have none.
func musCodecs(int) (client.Codec[sample.Receiver], server.Codec[sample.Receiver]) {
	return muscodec.NewClient(sample.MUS()), muscodec.NewServer(sample.MUS())
}

func protobufCodecs(maxLength int) (client.Codec[protosample.Receiver], server.Codec[protosample.Receiver]) {
	types := protosample.Protobuf()
	return protobufcodec.NewClient[protosample.Receiver](types, maxLength),
		protobufcodec.NewServer[protosample.Receiver](types, maxLength)
}

// unregistered is a command that is on no list.
type unregistered struct{ sample.FailCmd }

func jsonValue(t *testing.T, name string, text json.RawMessage) (any, bool) {
	if name == "unregJSON" {
		return unregistered{}, true
	}
	return sampleValue(t, name, text)
}

func sampleValue(t *testing.T, name string, text json.RawMessage) (any, bool) {
	switch name {
	case "EchoCmd":
		return echo(t, text), true
	case "StreamCmd":
		return vectors.Parse[sample.StreamCmd](t, text), true
	case "FailCmd":
		return vectors.Parse[sample.FailCmd](t, text), true
	case "DelayCmd":
		return vectors.Parse[sample.DelayCmd](t, text), true
	case "TraceCmd<EchoCmd>":
		return vectors.Parse[sample.TraceCmd[sample.EchoCmd]](t, text), true
	case "EchoResult":
		return sample.EchoResult(echo(t, text)), true
	case "StreamResult":
		return vectors.Parse[sample.StreamResult](t, text), true
	case "DelayResult":
		return vectors.Parse[sample.DelayResult](t, text), true
	}
	return nil, false
}

func echo(t *testing.T, text json.RawMessage) sample.EchoCmd {
	v := vectors.Parse[struct {
		Bool    bool
		Int64   int64
		String  string
		Float64 json.RawMessage
	}](t, text)
	return sample.EchoCmd{
		Bool: v.Bool, Int64: v.Int64, String: v.String, Float64: vectors.Float64(t, v.Float64),
	}
}

// fields of all Protobuf messages; their numbers are strings.
type fields struct {
	X, A, B, R int64 `json:",string"`
	Y          string
}

func protobufValue(t *testing.T, name string, text json.RawMessage) (any, bool) {
	f := vectors.Parse[fields](t, text)
	switch name {
	case "Cmd1":
		return protosample.Cmd1{X: f.X}, true
	case "Cmd2":
		return protosample.Cmd2{Y: f.Y}, true
	case "AddCmd":
		return protosample.AddCmd{A: f.A, B: f.B}, true
	case "SubCmd":
		return protosample.SubCmd{A: f.A, B: f.B}, true
	case "Result1":
		return protosample.Result1{X: f.X}, true
	case "Result2":
		return protosample.Result2{Y: f.Y}, true
	case "CalcResult":
		return protosample.CalcResult{R: f.R}, true
	}
	return nil, false
}
