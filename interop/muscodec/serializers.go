package muscodec

import (
	com "github.com/mus-format/common-go"
	"github.com/mus-format/mus-stream-go"
	stropts "github.com/mus-format/mus-stream-go/options/string"
	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/typed"

	"interop/prefixed"
)

// AtMost is a validator of lengths.
func AtMost(limit int) com.ValidatorFn[int] {
	return func(length int) error {
		if length > limit {
			return &prefixed.TooLargeError{Length: length, Limit: limit}
		}
		return nil
	}
}

// StringAtMost is a serializer of strings of at most limit bytes.
func StringAtMost(limit int) mus.Serializer[string] {
	return ord.NewValidStringSer(stropts.WithLenValidator(AtMost(limit)))
}

// MarshalTyped writes a tag and the value.
func MarshalTyped[V any](dtm com.DTM, s Serializer[V], v V, w mus.Writer) (n int, err error) {
	if n, err = typed.DTMSer.Marshal(dtm, w); err != nil {
		return n, err
	}
	n1, err := s.Marshal(v, w)
	return n + n1, err
}
