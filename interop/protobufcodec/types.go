package protobufcodec

import (
	"reflect"
	"sync"

	"google.golang.org/protobuf/proto"

	"interop/tagged"
)

// Message is a generated message type S, behind its pointer.
type Message[S any] interface {
	*S
	proto.Message
}

// Of returns the type V, whose values travel as messages M. The function pack must
// write all fields of a message, because messages are reused. The function unpack
// makes a value of a message; it may keep what the fields refer to, but not the
// message.
func Of[V any, M Message[S], S any](pack func(V, M), unpack func(M) V) tagged.Type {
	return &messageType[V, M, S]{pack: pack, unpack: unpack}
}

type messageType[V any, M Message[S], S any] struct {
	pack   func(V, M)
	unpack func(M) V
	// Messages to reuse. A decoded message may hold unknown fields, which would
	// be encoded with the next value. The two kinds are therefore kept apart.
	packed, unpacked sync.Pool
}

func (t *messageType[V, M, S]) Of() reflect.Type { return reflect.TypeFor[V]() }

func (t *messageType[V, M, S]) Append(buf []byte, value any) ([]byte, error) {
	message := take[M](&t.packed)
	t.pack(value.(V), message)
	body, err := proto.MarshalOptions{}.MarshalAppend(buf, message)
	release(&t.packed, message, len(body))
	return body, err
}

func (t *messageType[V, M, S]) Decode(body []byte) (any, error) {
	message := take[M](&t.unpacked)
	if err := proto.Unmarshal(body, message); err != nil {
		return nil, err
	}
	value := t.unpack(message)
	release(&t.unpacked, message, len(body))
	return value, nil
}

func take[M Message[S], S any](pool *sync.Pool) M {
	if message, ok := pool.Get().(M); ok {
		return message
	}
	return new(S)
}

// release keeps the message for the next value, unless that would hold large
// strings forever.
func release[M any](pool *sync.Pool, message M, size int) {
	if size <= tagged.Keep {
		pool.Put(message)
	}
}
