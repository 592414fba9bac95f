package traced_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	cmdstream "github.com/cmd-stream/cmd-stream-go"
	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/group"
	"github.com/cmd-stream/cmd-stream-go/sender"
	"github.com/cmd-stream/cmd-stream-go/server"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"interop/format"
	"interop/sample"
	"interop/traced"
)

// golden is what the vectors say of one exchange.
type golden struct {
	Name        string       `json:"name"`
	ClientSpans []goldenSpan `json:"client_spans"`
	ServerSpans []goldenSpan `json:"server_spans"`
}

type goldenSpan struct {
	Name       string            `json:"name"`
	Kind       string            `json:"kind"`
	Parent     string            `json:"parent_span_id"`
	Attributes []goldenAttribute `json:"attributes_in_set_order"`
	Events     []struct {
		Name       string            `json:"name"`
		Attributes []goldenAttribute `json:"attributes"`
	} `json:"events"`
	Status string `json:"status"`
}

type goldenAttribute struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

func TestSpansAreThoseOfTheVectors(t *testing.T) {
	echo := sample.EchoCmd{Bool: true, Int64: 1, String: "traced"}
	for name, cmd := range map[string]core.Cmd[sample.Receiver]{
		"unary_plain_command": echo,
		"unary_trace_command": sample.TraceCmd[sample.EchoCmd]{MapCarrier: &map[string]string{}, Cmd: echo},
	} {
		t.Run(name, func(t *testing.T) {
			want := read(t, name)
			client, server := exchange(t, cmd)
			compare(t, client, want.ClientSpans[0])
			compare(t, server, want.ServerSpans[0])
			isChild := server.Parent.SpanID() == client.SpanContext.SpanID()
			if isChild != (want.ServerSpans[0].Parent != "") {
				t.Errorf("the parent of the server's span is %v", server.Parent.SpanID())
			}
		})
	}
}

func read(t *testing.T, name string) golden {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "wire", "vectors", "otel.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Scenarios []golden `json:"scenarios"`
	}
	if err = json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(vectors.Scenarios, func(s golden) bool { return s.Name == name })
	if at < 0 {
		t.Fatalf("there is no scenario %q", name)
	}
	return vectors.Scenarios[at]
}

// exchange sends a command, and returns the spans of both ends.
func exchange(t *testing.T, cmd core.Cmd[sample.Receiver]) (client, served tracetest.SpanStub) {
	t.Helper()
	codecs, err := format.New(format.MUS, sample.Formats())
	if err != nil {
		t.Fatal(err)
	}
	clientSpans, serverSpans := tracetest.NewInMemoryExporter(), tracetest.NewInMemoryExporter()
	invoker := traced.Invoker(sdk.NewTracerProvider(sdk.WithSyncer(serverSpans)).Tracer(traced.Scope),
		server.NewInvoker(sample.Receiver{}))
	s, err := cmdstream.NewServerWithInvoker(invoker, codecs.Server)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener.(*net.TCPListener)) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := cmdstream.NewClient(codecs.Client, conn)
	if err != nil {
		t.Fatal(err)
	}
	calls := sender.New(group.New(group.NewRoundRobinStrategy([]group.Client[sample.Receiver]{c})),
		sender.WithHooksFactory(traced.Hooks[sample.Receiver]{
			Tracer: sdk.NewTracerProvider(sdk.WithSyncer(clientSpans)).Tracer(traced.Scope),
			Server: conn.RemoteAddr(),
		}))
	if _, err = calls.Send(context.Background(), cmd); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err = s.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended // all commands have been executed to their end
	return only(t, clientSpans), only(t, serverSpans)
}

func only(t *testing.T, exporter *tracetest.InMemoryExporter) tracetest.SpanStub {
	t.Helper()
	spans := exporter.GetSpans()
	if len(spans) != 1 {
		t.Fatalf("there are %d spans", len(spans))
	}
	return spans[0]
}

func compare(t *testing.T, got tracetest.SpanStub, want goldenSpan) {
	t.Helper()
	if got.Name != want.Name || got.SpanKind.String() != want.Kind || got.Status.Code.String() != want.Status {
		t.Errorf("the span is %q, %v, %v, and not %q, %v, %v", got.Name, got.SpanKind, got.Status.Code,
			want.Name, want.Kind, want.Status)
	}
	var keys []string
	for _, attribute := range got.Attributes {
		keys = append(keys, string(attribute.Key)+" "+attribute.Value.Type().String())
	}
	if wanted := keysOf(want.Attributes); !slices.Equal(keys, wanted) {
		t.Errorf("the attributes of %q are %v, and not %v", got.Name, keys, wanted)
	}
	if len(want.Events) != len(got.Events) {
		t.Fatalf("%q has %d events, and not %d", got.Name, len(got.Events), len(want.Events))
	}
	for i, event := range got.Events {
		keys = nil
		for _, attribute := range event.Attributes {
			keys = append(keys, string(attribute.Key)+" "+attribute.Value.Type().String())
		}
		if wanted := keysOf(want.Events[i].Attributes); event.Name != want.Events[i].Name || !slices.Equal(keys, wanted) {
			t.Errorf("the event is %q with %v, and not %q with %v", event.Name, keys, want.Events[i].Name, wanted)
		}
	}
}

func keysOf(attributes []goldenAttribute) (keys []string) {
	for _, attribute := range attributes {
		keys = append(keys, attribute.Key+" "+attribute.Type)
	}
	return keys
}
