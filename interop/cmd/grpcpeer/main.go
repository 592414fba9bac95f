// Command grpcpeer measures grpc-go in the benchmark suite: see package
// interop/suite. Its service has no generated code, only the descriptions that the
// generator would write; the messages are generated ones.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"interop/messages"
	"interop/sample"
	"interop/suite"
)

func main() {
	if err := suite.Run(adapter{}, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "grpcpeer:", err)
		os.Exit(1)
	}
}

// workers is what grpc-go says of NumStreamWorkers in its source: "a value equal to
// the number of CPUs available is most performant". Every participant has two.
const workers = 2

type adapter struct{}

func (adapter) Describe() suite.Description {
	return suite.Description{
		Name:    "grpc-go",
		Version: grpc.Version,
		Settings: "NumStreamWorkers(2), the number of CPUs, which its source calls most performant; otherwise defaults, " +
			"buffers and windows included, as in grpc-go's own benchmarks",
		Language:   "go",
		Formats:    []string{"grpc"},
		Transports: []string{"tcp", "unix"},
		Can:        suite.Everything(),
	}
}

func (adapter) Box(value sample.EchoCmd) any {
	return &messages.EchoCmd{Bool: value.Bool, Int64: value.Int64, String_: value.String, Float64: value.Float64}
}

func (adapter) Serve(setting suite.Setting) (address string, stop func() error, err error) {
	network, address := "tcp", "127.0.0.1:0"
	if setting.Transport == "unix" {
		network, address = "unix", suite.SocketPath()
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return "", nil, err
	}
	server := grpc.NewServer(grpc.NumStreamWorkers(workers))
	server.RegisterService(&description, &service{suite.Delay(setting)})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop = func() error {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			return err
		}
		return nil
	}
	return listener.Addr().String(), stop, nil
}

func (adapter) Connect(setting suite.Setting, address string) (suite.Conn, error) {
	if setting.Transport == "unix" {
		address = "unix:" + address
	} else {
		address = "passthrough:///" + address
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	conn.Connect()
	return connection{conn}, nil
}

// service is the server's side.
type service struct {
	delay func()
}

func (s *service) echo(_ context.Context, in *messages.EchoCmd) (*messages.EchoResult, error) {
	s.delay()
	return &messages.EchoResult{Bool: in.Bool, Int64: in.Int64, String_: in.String_, Float64: in.Float64}, nil
}

func (s *service) burn(_ context.Context, in *messages.DelayCmd) (*messages.DelayResult, error) {
	suite.Burn(int(in.DelayMs))
	return &messages.DelayResult{Id: in.Id}, nil
}

func (s *service) stream(in *messages.StreamCmd, out grpc.ServerStreamingServer[messages.StreamResult]) error {
	for i := range in.Count {
		if err := out.Send(&messages.StreamResult{Value: in.Init + i, Last: i == in.Count-1}); err != nil {
			return err
		}
	}
	return nil
}

// unary is the handler that the generator would write for a method without
// interceptors.
func unary[In, Out any](call func(*service, context.Context, *In) (*Out, error)) grpc.MethodHandler {
	return func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(In)
		if err := decode(in); err != nil {
			return nil, err
		}
		return call(srv.(*service), ctx, in)
	}
}

var description = grpc.ServiceDesc{
	ServiceName: "bench.Bench",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Echo", Handler: unary((*service).echo)},
		{MethodName: "Burn", Handler: unary((*service).burn)},
	},
	Streams: []grpc.StreamDesc{{
		StreamName:    "Stream",
		ServerStreams: true,
		Handler: func(srv any, stream grpc.ServerStream) error {
			in := new(messages.StreamCmd)
			if err := stream.RecvMsg(in); err != nil {
				return err
			}
			out := &grpc.GenericServerStream[messages.StreamCmd, messages.StreamResult]{ServerStream: stream}
			return srv.(*service).stream(in, out)
		},
	}},
}

type connection struct {
	conn *grpc.ClientConn
}

func (c connection) Caller() suite.Caller { return c }

func (c connection) Close() { c.conn.Close() }

func (c connection) Echo(value *suite.Value) error {
	got := new(messages.EchoResult)
	if err := c.conn.Invoke(context.Background(), "/bench.Bench/Echo", value.Sent, got); err != nil {
		return err
	}
	back := sample.EchoCmd{Bool: got.Bool, Int64: got.Int64, String: got.String_, Float64: got.Float64}
	if back != value.Raw {
		return fmt.Errorf("%.200s was sent, %.200s came back", fmt.Sprintf("%#v", value.Raw), fmt.Sprintf("%#v", back))
	}
	return nil
}

func (c connection) Stream(replies int) error {
	// As the generated code does it.
	stream, err := c.conn.NewStream(context.Background(), &description.Streams[0], "/bench.Bench/Stream")
	if err != nil {
		return err
	}
	if err = stream.SendMsg(&messages.StreamCmd{Count: int64(replies)}); err != nil {
		return err
	}
	if err = stream.CloseSend(); err != nil {
		return err
	}
	for number := range replies {
		got := new(messages.StreamResult)
		if err = stream.RecvMsg(got); err != nil {
			return fmt.Errorf("after %d of %d replies: %w", number, replies, err)
		}
		if got.Value != int64(number) || got.Last != (number == replies-1) {
			return fmt.Errorf("%v came in place of reply %d of %d", got, number, replies)
		}
	}
	if err = stream.RecvMsg(new(messages.StreamResult)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the stream did not end after %d replies: %w", replies, err)
	}
	return nil
}

func (c connection) Burn(millis int) error {
	reply := new(messages.DelayResult)
	sent := &messages.DelayCmd{Id: int64(millis), DelayMs: int64(millis)}
	if err := c.conn.Invoke(context.Background(), "/bench.Bench/Burn", sent, reply); err != nil {
		return err
	}
	if reply.Id != sent.Id {
		return fmt.Errorf("%d was sent, %d came back", sent.Id, reply.Id)
	}
	return nil
}
