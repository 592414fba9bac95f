package muscodec_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/mus-format/mus-stream-go"
	"github.com/mus-format/mus-stream-go/ord"

	"interop/vectors"
)

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
