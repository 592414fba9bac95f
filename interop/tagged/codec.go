package tagged

import (
	"fmt"
	"reflect"

	"github.com/cmd-stream/cmd-stream-go/transport"
	"github.com/mus-format/mus-stream-go/varint"

	"interop/prefixed"
)

// Codec encodes values of the interface E and decodes those of D.
type Codec[E, D any] struct {
	name      string
	encoded   map[reflect.Type]entry
	decoded   []Type // by tag
	maxLength int
}

// entry is a type to encode.
type entry struct {
	tag int
	Type
}

// New returns a codec for these types, each at the index that is its tag. Its
// errors begin with the name. A body to decode that is longer than maxLength is
// refused right after its length; 0 means that there is no limit.
func New[E, D any](name string, encoded, decoded []Type, maxLength int) *Codec[E, D] {
	c := &Codec[E, D]{
		name:      name,
		encoded:   make(map[reflect.Type]entry),
		decoded:   decoded,
		maxLength: maxLength,
	}
	for tag, t := range encoded {
		c.encoded[t.Of()] = entry{tag, t}
	}
	return c
}

// Encode writes tag, length and body. It writes nothing if value can't be
// encoded.
func (c *Codec[E, D]) Encode(value E, w transport.Writer) (n int, err error) {
	found, ok := c.encoded[reflect.TypeOf(value)]
	if !ok {
		return 0, fmt.Errorf("%s: %T: %w", c.name, value, ErrUnknownType)
	}
	buf := takeBuffer()
	defer buf.release()
	body, err := found.Append(buf.bytes[:0], value)
	if err != nil {
		return 0, fmt.Errorf("%s: encode %T: %w", c.name, value, err)
	}
	buf.bytes = body
	if n, err = varint.PositiveInt.Marshal(found.tag, w); err != nil {
		return n, fmt.Errorf("%s: write tag: %w", c.name, err)
	}
	m, err := prefixed.Write(body, w)
	if err != nil {
		err = fmt.Errorf("%s: write body: %w", c.name, err)
	}
	return n + m, err
}

// Decode reads a value. It refuses bad input as early as it can: an unknown tag
// before the length, and a length before the body.
func (c *Codec[E, D]) Decode(r transport.Reader) (value D, n int, err error) {
	tag, n, err := varint.PositiveInt.Unmarshal(r)
	if err != nil {
		return value, n, fmt.Errorf("%s: read tag: %w", c.name, err)
	}
	if tag < 0 || tag >= len(c.decoded) {
		return value, n, fmt.Errorf("%s: %w", c.name, &UnknownTagError{Tag: tag})
	}
	buf := takeBuffer()
	defer buf.release()
	m := 0
	buf.bytes, m, err = prefixed.Read(r, buf.bytes, c.maxLength)
	n += m
	if err != nil {
		return value, n, fmt.Errorf("%s: read body: %w", c.name, err)
	}
	decoded, err := c.decoded[tag].Decode(buf.bytes)
	if err != nil {
		return value, n, fmt.Errorf("%s: %w", c.name, &BodyError{c.decoded[tag].Of(), err})
	}
	return decoded.(D), n, nil
}
