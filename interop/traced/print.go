package traced

import (
	"context"
	"encoding/json"
	"io"
	"sync"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Printer writes each span that has ended as a line of JSON.
type Printer struct {
	mu  sync.Mutex
	out io.Writer
}

// NewProvider returns a provider whose spans are printed when they end.
func NewProvider(out io.Writer) *sdk.TracerProvider {
	return sdk.NewTracerProvider(sdk.WithSyncer(&Printer{out: out}))
}

type printed struct {
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	Parent     string         `json:"parent_span_id"` // zeros if there is none
	Attributes map[string]any `json:"attributes"`
	Events     []string       `json:"events"`
	Status     string         `json:"status"`
}

// ExportSpans writes the spans.
func (p *Printer) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := json.NewEncoder(p.out)
	for _, span := range spans {
		line := printed{
			Name:       span.Name(),
			Kind:       span.SpanKind().String(),
			TraceID:    span.SpanContext().TraceID().String(),
			SpanID:     span.SpanContext().SpanID().String(),
			Parent:     span.Parent().SpanID().String(),
			Attributes: map[string]any{},
			Events:     []string{},
			Status:     span.Status().Code.String(),
		}
		for _, attribute := range span.Attributes() {
			line.Attributes[string(attribute.Key)] = attribute.Value.AsInterface()
		}
		for _, event := range span.Events() {
			line.Events = append(line.Events, event.Name)
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// Shutdown has nothing to do.
func (p *Printer) Shutdown(context.Context) error { return nil }
