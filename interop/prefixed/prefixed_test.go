package prefixed

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/mus-format/mus-stream-go/varint"

	"interop/memory"
)

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, step - 1, step, step + 1, 5*step + 3} {
		want := bytes.Repeat([]byte{'x'}, size)
		body, n, err := Read(bytes.NewReader(frame(t, want)), nil, 0)
		if err != nil || !bytes.Equal(body, want) || n != len(frame(t, want)) {
			t.Errorf("size %d: read %d bytes, body of %d, error %v", size, n, len(body), err)
		}
	}
}

func TestLengthAtTheLimitPassesAndOneMoreDoesNot(t *testing.T) {
	at := frame(t, make([]byte, 10))
	if _, _, err := Read(bytes.NewReader(at), nil, 10); err != nil {
		t.Error(err)
	}
	over := frame(t, make([]byte, 11))
	_, n, err := Read(bytes.NewReader(over), nil, 10)
	var tooLarge *TooLargeError
	if !errors.As(err, &tooLarge) || tooLarge.Length != 11 || n != 1 {
		t.Errorf("after %d bytes: %v", n, err)
	}
}

func TestHugeLengthAllocatesNoMoreThanAStep(t *testing.T) {
	var input bytes.Buffer
	varint.PositiveInt.Marshal(1<<62, &input)
	input.WriteString("a few bytes, and no more")
	size := input.Len()

	var (
		n   int
		err error
	)
	allocated := memory.Allocated(func() { _, n, err = Read(&input, nil, 0) })

	if err != io.ErrUnexpectedEOF || n != size {
		t.Errorf("after %d of %d bytes: %v", n, size, err)
	}
	if allocated > 2*step {
		t.Errorf("a length took %d bytes", allocated)
	}
}

func TestInputThatEndsWhereTheBodyStartsIsEOF(t *testing.T) {
	if _, n, err := Read(bytes.NewReader([]byte{3}), nil, 0); err != io.EOF || n != 1 {
		t.Errorf("after %d bytes: %v", n, err)
	}
}

func TestInputThatEndsBetweenTwoStepsIsUnexpectedEOF(t *testing.T) {
	whole := frame(t, make([]byte, 2*step))
	cut := whole[:len(whole)-step]
	if _, n, err := Read(bytes.NewReader(cut), nil, 0); err != io.ErrUnexpectedEOF || n != len(cut) {
		t.Errorf("after %d of %d bytes: %v", n, len(cut), err)
	}
}

func frame(t *testing.T, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	n, err := Write(body, w)
	if err != nil {
		t.Fatal(err)
	}
	w.Flush()
	if n != out.Len() {
		t.Fatalf("Write counted %d of %d bytes", n, out.Len())
	}
	return out.Bytes()
}
