// Package prefixed reads and writes byte strings with their length in front. All
// codecs with a length on the wire use it.
//
// The length is a varint.PositiveInt.
package prefixed

import (
	"fmt"
	"io"
	"slices"

	"github.com/cmd-stream/cmd-stream-go/transport"
	com "github.com/mus-format/common-go"
	"github.com/mus-format/mus-stream-go/varint"
)

// step is how much memory a length alone can allocate. More is allocated only for
// bytes that have arrived: the buffer at most doubles.
const step = 64 << 10

// TooLargeError reports a length above the limit of the reader.
type TooLargeError struct {
	Length, Limit int
}

// Error names the length and the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("length %d is over the limit of %d", e.Length, e.Limit)
}

// Write writes the length of body and body. It returns the number of bytes.
func Write(body []byte, w transport.Writer) (n int, err error) {
	if n, err = varint.PositiveInt.Marshal(len(body), w); err != nil {
		return n, err
	}
	written, err := w.Write(body)
	return n + written, err
}

// Read reads a length and that many bytes. It puts them into buf, whose old content
// is overwritten and whose capacity is reused. A limit of 0 means no limit.
//
// A negative length or one above the limit is refused before anything else is
// read. n counts the bytes read, also on failure.
func Read(r transport.Reader, buf []byte, limit int) (body []byte, n int, err error) {
	length, n, err := varint.PositiveInt.Unmarshal(r)
	switch {
	case err != nil:
		return buf[:0], n, err
	case length < 0:
		return buf[:0], n, com.ErrNegativeLength
	case limit > 0 && length > limit:
		return buf[:0], n, &TooLargeError{Length: length, Limit: limit}
	}
	body, err = readBody(r, buf[:0], length)
	return body, n + len(body), err
}

func readBody(r io.Reader, body []byte, length int) ([]byte, error) {
	for len(body) < length {
		have := len(body)
		want := have + min(length-have, max(have, step))
		body = slices.Grow(body, want-have)[:want]
		n, err := io.ReadFull(r, body[have:])
		body = body[:have+n]
		if err == io.EOF && have > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return body, err
		}
	}
	return body, nil
}
