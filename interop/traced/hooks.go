package traced

import (
	"context"
	"net"

	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/sender/hooks"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Hooks makes hooks for a sender of unary commands: each call is a span.
type Hooks[T any] struct {
	Tracer trace.Tracer
	// Server is the address that the spans tell.
	Server net.Addr
}

// New returns the hooks of one call.
func (h Hooks[T]) New() hooks.Hooks[T] { return call[T](h) }

type call[T any] Hooks[T]

func (c call[T]) BeforeSend(ctx context.Context, cmd core.Cmd[T]) (context.Context, error) {
	ctx, _ = c.Tracer.Start(ctx, "Send "+nameOf(cmd), trace.WithSpanKind(trace.SpanKindClient), addressed(c.Server))
	if wrapper, ok := cmd.(carrying); ok && wrapper.Carrier() != nil {
		propagator.Inject(ctx, propagation.MapCarrier(wrapper.Carrier()))
	}
	return ctx, nil
}

func (c call[T]) OnResult(ctx context.Context, sent hooks.SentCmd[T], received hooks.ReceivedResult, err error) {
	if err != nil {
		c.OnError(ctx, sent, err)
		return
	}
	span := described(ctx, sent)
	if received.Result.LastOne() {
		span.End()
	}
}

func (c call[T]) OnError(ctx context.Context, sent hooks.SentCmd[T], err error) {
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(attribute.String("error.type", nameOf(err)))
	described(ctx, sent)
	span.SetStatus(codes.Error, err.Error())
	span.End()
}

func (c call[T]) OnTimeout(ctx context.Context, sent hooks.SentCmd[T], err error) {
	c.OnError(ctx, sent, err)
}

// described returns the span of a call, with what is known of the command once it
// was sent.
func described[T any](ctx context.Context, sent hooks.SentCmd[T]) trace.Span {
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(
		attribute.Int64("cmd-stream.command.seq", int64(sent.Seq)),
		attribute.Int("cmd-stream.command.size", sent.Size),
	)
	return span
}
