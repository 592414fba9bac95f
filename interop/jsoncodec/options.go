package jsoncodec

// Option sets something about a codec.
type Option func(*options)

type options struct {
	maxLength int
}

// WithMaxLength bounds the body of a value to decode, in bytes. A longer one is
// refused right after its length. Without it, or with 0, there is no limit.
func WithMaxLength(bytes int) Option {
	return func(o *options) { o.maxLength = bytes }
}

func maxLength(opts []Option) int {
	var o options
	for _, set := range opts {
		set(&o)
	}
	return o.maxLength
}
