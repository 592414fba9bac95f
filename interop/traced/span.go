// Package traced does with OpenTelemetry what the hooks and the invoker of
// otelcmd-stream-go do, which is not published any more: the names, kinds,
// attributes, events and parents of the spans are those of the golden vectors in
// wire/vectors/otel.json. It records no metrics.
package traced

import (
	"fmt"
	"net"
	"strings"

	"github.com/cmd-stream/cmd-stream-go/core"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Scope is the name of the instrumentation.
const Scope = "github.com/cmd-stream/otelcmd-stream-go"

// propagator is what both ends of a connection have to agree on.
var propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

// carrying is a command that carries a trace context.
type carrying interface {
	// Carrier returns where the context is, or nil if there is none.
	Carrier() map[string]string
	// Inner returns the command that is carried with it.
	Inner() any
}

// nameOf is the name of the type of a command or result, without its package.
func nameOf(value any) string {
	if wrapper, ok := value.(carrying); ok {
		return nameOf(wrapper.Inner()) + " (trace)"
	}
	name := fmt.Sprintf("%T", value)
	return name[strings.LastIndexByte(name, '.')+1:]
}

// addressed returns the attributes that tell the address of the peer.
func addressed(addr net.Addr) trace.SpanStartEventOption {
	var attributes []attribute.KeyValue
	if tcp, ok := addr.(*net.TCPAddr); ok {
		attributes = []attribute.KeyValue{
			attribute.String("network.peer.address", tcp.IP.String()),
			attribute.Int("network.peer.port", tcp.Port),
			attribute.String("network.protocol.name", tcp.Network()),
		}
	}
	return trace.WithAttributes(attributes...)
}

// resultEvent adds to a span that a result was sent or received.
func resultEvent(span trace.Span, number int, size int, result core.Result) {
	span.AddEvent("result", trace.WithAttributes(
		attribute.Int("cmd-stream.result.seq", number),
		attribute.Int("cmd-stream.result.size", size),
		attribute.String("cmd-stream.result.type", nameOf(result)),
	))
}
