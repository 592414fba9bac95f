package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"interop/examples/calc"
	"interop/examples/echo"
	"interop/examples/helloworld"
	"interop/examples/message"
	"interop/examples/serverstreaming"
	"interop/format"
	"interop/jobs"
	"interop/orders"
	"interop/protosample"
	"interop/sample"
	"interop/values"
)

// service is what the two ends of a named service do.
type service struct {
	serve func(context.Context, serverOptions) error
	call  func(clientOptions) error
}

func findService(name string) (service, error) {
	if found, ok := services[name]; ok {
		return found, nil
	}
	known := slices.Sorted(maps.Keys(services))
	return service{}, fmt.Errorf("unknown service %q (known: %s)", name, strings.Join(known, ", "))
}

var services = map[string]service{
	"sample":           newService(sample.Receiver{}, codecsOf(format.JSON, sample.Formats()), callSample),
	"jobs":             newService(jobs.NewReceiver(), codecsOf(format.JSON, jobs.Formats()), callJobs),
	"orders":           newService(orders.Receiver{}, codecsOf(format.Protobuf, orders.Formats()), callOrders),
	"protobuf_sample":  newService(protosample.Receiver{}, codecsOf(format.Protobuf, protosample.Formats()), callProtosample),
	"calc":             newService(calc.Calculator{}, codecsOf(format.JSON, calc.Formats()), callCalc),
	"echo":             newService(echo.Receiver{}, echoCodecs, callEcho),
	"message":          newService(message.Receiver{}, codecsOf(format.JSON, message.Formats()), callMessage),
	"keepalive":        receivingFor(keepaliveReceiveTime, newService(message.Receiver{}, codecsOf(format.JSON, message.Formats()), callKeepalive)),
	"reconnect":        newService(message.Receiver{}, codecsOf(format.JSON, message.Formats()), callReconnect),
	"resilient":        newService(message.Receiver{}, codecsOf(format.JSON, message.Formats()), callResilient),
	"hello_world":      newService(helloworld.Greeter{}, codecsOf(format.MUS, helloworld.Formats()), callHelloWorld),
	"rpc":              newService(helloworld.Greeter{}, codecsOf(format.MUS, helloworld.Formats()), callRPC),
	"server_streaming": newService(serverstreaming.Greeter{}, codecsOf(format.MUS, serverstreaming.Formats()), callGreeter),
	"values":           newService(values.Receiver{}, codecsOf(format.JSON, values.Formats()), callValues),
}

// codecs finds the codecs of a service. An empty name of a format stands for the
// service's default.
type codecs[T any] func(formatName string) (format.Codecs[T], error)

func newService[T any](receiver T, find codecs[T], call func(dialer[T]) error) service {
	return service{
		serve: func(ctx context.Context, o serverOptions) error {
			c, err := find(o.format)
			if err != nil {
				return err
			}
			return serve(ctx, receiver, c.Server, o)
		},
		call: func(o clientOptions) error {
			c, err := find(o.format)
			if err != nil {
				return err
			}
			return call(dialer[T]{clientOptions: o, codec: c.Client})
		},
	}
}

// receivingFor gives the server of a service another default of --receive-timeout-ms.
func receivingFor(limit time.Duration, s service) service {
	serve := s.serve
	s.serve = func(ctx context.Context, o serverOptions) error {
		if o.receiveTimeout == 0 {
			o.receiveTimeout = limit
		}
		return serve(ctx, o)
	}
	return s
}

func codecsOf[T any](usual string, formats format.Service[T]) codecs[T] {
	return func(name string) (format.Codecs[T], error) {
		if name == "" {
			name = usual
		}
		return format.New(name, formats)
	}
}

// echoCodecs accepts any format, because the service has a format of its own.
func echoCodecs(string) (found format.Codecs[echo.Receiver], err error) {
	found.Client = echo.NewClientCodec(format.Limit)
	found.Server = echo.NewServerCodec(format.Limit)
	return found, nil
}
