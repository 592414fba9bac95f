package muscodec_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/mus-format/mus-stream-go"
	"github.com/mus-format/mus-stream-go/ord"

	"interop/memory"
	"interop/prefixed"
	"interop/vectors"
)

// What a robust server does is close the connection or wait; the validators of
// the sample service's serializers close it, right after the length.
func TestHostileLengthsAreRefusedBeforeAnythingIsAllocated(t *testing.T) {
	for name, frame := range vectors.Hostile(t, "mus") {
		t.Run(name, func(t *testing.T) {
			_, codec := codecs(0)
			var err error
			allocated := memory.Allocated(func() {
				_, _, err = codec.Decode(bytes.NewReader(frame[1:])) // without seq
			})
			var tooLarge *prefixed.TooLargeError
			if !errors.As(err, &tooLarge) {
				t.Errorf("got %v", err)
			}
			if allocated > 64<<10 {
				t.Errorf("allocated %d bytes", allocated)
			}
		})
	}
}

// This is what the library does without a validator. (A string of 1 TiB is
// worse: nothing can recover from being out of memory.)
func TestWithoutValidatorsALengthCanEndTheProcess(t *testing.T) {
	frames := vectors.Hostile(t, "mus")
	afterBool := frames["string_length_2^63-1"][4:] // seq, DTM, bool, int64
	func() {
		defer func() {
			if cause, ok := recover().(error); !ok || !strings.Contains(cause.Error(), "makeslice") {
				t.Errorf("a string of 2^63-1 bytes: recovered %v", cause)
			}
		}()
		ord.String.Unmarshal(bytes.NewReader(afterBool))
	}()

	// A map takes too large a number of entries for no number at all, and waits.
	carrier := ord.NewMapSer[string, string](ord.String, ord.String)
	for _, name := range []string{"map_length_2^63-1", "map_length_2^40"} {
		afterFlag := frames[name][3:] // seq, DTM, pointer flag
		if _, _, err := mus.Serializer[map[string]string](carrier).Unmarshal(bytes.NewReader(afterFlag)); err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}
