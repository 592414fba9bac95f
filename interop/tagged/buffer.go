package tagged

import "sync"

// Keep is the largest buffer worth keeping for the next value, in bytes. One
// huge value should not hold its memory forever.
const Keep = 64 << 10

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// buffer holds a body on its way in or out.
type buffer struct {
	bytes []byte
}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) release() {
	if cap(b.bytes) <= Keep {
		buffers.Put(b)
	}
}
