package main

import (
	"context"
	"fmt"

	"interop/examples/calc"
	"interop/examples/echo"
	"interop/examples/serverstreaming"
	"interop/format"
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
	return service{}, fmt.Errorf("unknown service %q", name)
}

var services = map[string]service{
	"sample":           newService(sample.Receiver{}, sampleCodecs, callSample),
	"calc":             newService(calc.Calculator{}, calcCodecs, callCalc),
	"echo":             newService(echo.Receiver{}, echoCodecs, callEcho),
	"server_streaming": newService(serverstreaming.Greeter{}, greeterCodecs, callGreeter),
	"values":           newService(values.Receiver{}, valuesCodecs, callValues),
}

func newService[T any](
	receiver T,
	codecs func(formatName string) (format.Codecs[T], error),
	call func(dialer[T]) error,
) service {
	return service{
		serve: func(ctx context.Context, o serverOptions) error {
			c, err := codecs(o.format)
			if err != nil {
				return err
			}
			return serve(ctx, receiver, c.Server, o)
		},
		call: func(o clientOptions) error {
			c, err := codecs(o.format)
			if err != nil {
				return err
			}
			return call(dialer[T]{clientOptions: o, codec: c.Client})
		},
	}
}

func sampleCodecs(name string) (format.Codecs[sample.Receiver], error) {
	return format.New(name, sample.Commands(), sample.Results())
}

func calcCodecs(name string) (format.Codecs[calc.Calculator], error) {
	return format.New(name, calc.Commands(), calc.Results())
}

func greeterCodecs(name string) (format.Codecs[serverstreaming.Greeter], error) {
	return format.New(name, serverstreaming.Commands(), serverstreaming.Results())
}

func valuesCodecs(name string) (format.Codecs[values.Receiver], error) {
	return format.New(name, values.Commands(), values.Results())
}

// echoCodecs takes any format: the service has one of its own.
func echoCodecs(string) (codecs format.Codecs[echo.Receiver], err error) {
	codecs.Client = echo.NewClientCodec(format.Limit)
	codecs.Server = echo.NewServerCodec(format.Limit)
	return codecs, nil
}
