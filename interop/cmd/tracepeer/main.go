// Command tracepeer is a server or a client of the sample service whose commands
// are traced with OpenTelemetry. Each span that has ended is printed as a line of
// JSON.
//
//	tracepeer server [--format NAME] [--listen ADDR]
//	tracepeer client [--format NAME] --connect ADDR
//
// The client sends one plain EchoCmd, and one that carries a trace context, both
// within a span named "root". The server ends when its standard input does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	cmdstream "github.com/cmd-stream/cmd-stream-go"
	"github.com/cmd-stream/cmd-stream-go/core"
	csrv "github.com/cmd-stream/cmd-stream-go/core/srv"
	"github.com/cmd-stream/cmd-stream-go/group"
	"github.com/cmd-stream/cmd-stream-go/sender"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/format"
	"interop/sample"
	"interop/traced"
)

// callTime is how long a call may take.
const callTime = 10 * time.Second

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "tracepeer:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("tracepeer", flag.ContinueOnError)
	flags.SetOutput(stderr)
	formatName := flags.String("format", format.MUS, "`name` of the format")
	listen := flags.String("listen", "127.0.0.1:0", "`address` to listen on")
	connect := flags.String("connect", "", "`address` of the server")
	if len(args) == 0 {
		return errors.New("usage: tracepeer server|client ...")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	codecs, err := format.New(*formatName, sample.Formats())
	if err != nil {
		return err
	}
	switch args[0] {
	case "server":
		return serve(codecs, *listen, stdin, stdout)
	case "client":
		return call(codecs, *connect, stdout)
	}
	return fmt.Errorf("unknown end %q", args[0])
}

func serve(codecs format.Codecs[sample.Receiver], listen string, stdin io.Reader, stdout io.Writer) error {
	tracer := traced.NewProvider(stdout).Tracer(traced.Scope)
	invoker := traced.Invoker(tracer, server.NewInvoker(sample.Receiver{}))
	s, err := cmdstream.NewServerWithInvoker(invoker, codecs.Server)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on %v\n", listener.Addr())
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener.(*net.TCPListener)) }()
	io.Copy(io.Discard, stdin)
	if err = s.Close(); err != nil {
		return err
	}
	if err = <-served; !errors.Is(err, csrv.ErrClosed) {
		return err
	}
	return nil
}

func call(codecs format.Codecs[sample.Receiver], connect string, stdout io.Writer) error {
	conn, err := net.DialTimeout("tcp", connect, callTime)
	if err != nil {
		return err
	}
	c, err := cmdstream.NewClient(codecs.Client, conn)
	if err != nil {
		conn.Close() // the library leaves it open
		return err
	}
	defer c.Close()
	tracer := traced.NewProvider(stdout).Tracer(traced.Scope)
	clients := group.New(group.NewRoundRobinStrategy([]group.Client[sample.Receiver]{c}))
	s := sender.New(clients, sender.WithHooksFactory(
		traced.Hooks[sample.Receiver]{Tracer: tracer, Server: conn.RemoteAddr()}))
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	ctx, root := tracer.Start(ctx, "root")
	defer root.End()
	echo := sample.EchoCmd{Bool: true, Int64: 1, String: "traced"}
	for _, cmd := range []core.Cmd[sample.Receiver]{
		echo,
		sample.TraceCmd[sample.EchoCmd]{MapCarrier: &map[string]string{}, Cmd: echo},
	} {
		result, err := s.Send(ctx, cmd)
		if err != nil {
			return err
		}
		if got, ok := result.(sample.EchoResult); !ok || got != sample.EchoResult(echo) {
			return fmt.Errorf("the reply to %#v is %#v", cmd, result)
		}
	}
	return nil
}
