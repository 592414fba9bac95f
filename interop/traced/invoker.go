package traced

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/handler"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Invoker makes a span of each command that the inner invoker executes.
func Invoker[T any](tracer trace.Tracer, inner handler.Invoker[T]) handler.Invoker[T] {
	invoke := func(ctx context.Context, seq core.Seq, at time.Time, size int, cmd core.Cmd[T], proxy core.Proxy) error {
		if wrapper, ok := cmd.(carrying); ok {
			ctx = propagator.Extract(ctx, propagation.MapCarrier(wrapper.Carrier()))
		}
		ctx, span := tracer.Start(ctx, "Invoke "+nameOf(cmd),
			trace.WithSpanKind(trace.SpanKindServer), addressed(proxy.RemoteAddr()))
		defer span.End()
		err := inner.Invoke(ctx, seq, at, size, cmd, &watched{Proxy: proxy, span: span})
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
			span.SetAttributes(attribute.String("error.type", nameOf(err)))
		}
		return err
	}
	return handler.InvokerFn[T](invoke)
}

// watched is a proxy whose results become events of a span.
type watched struct {
	core.Proxy
	span  trace.Span
	count atomic.Int64
}

func (w *watched) Send(seq core.Seq, result core.Result) (n int, err error) {
	n, err = w.Proxy.Send(seq, result)
	w.sent(n, err, result)
	return n, err
}

func (w *watched) SendWithDeadline(deadline time.Time, seq core.Seq, result core.Result) (n int, err error) {
	n, err = w.Proxy.SendWithDeadline(deadline, seq, result)
	w.sent(n, err, result)
	return n, err
}

func (w *watched) sent(size int, err error, result core.Result) {
	if err == nil {
		resultEvent(w.span, int(w.count.Add(1)), size, result)
	}
}
