package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"time"

	cmdstream "github.com/cmd-stream/cmd-stream-go"
	csrv "github.com/cmd-stream/cmd-stream-go/core/srv"
	"github.com/cmd-stream/cmd-stream-go/delegate"
	"github.com/cmd-stream/cmd-stream-go/handler"
	"github.com/cmd-stream/cmd-stream-go/server"
)

// workers is how many connections the server serves at a time.
const workers = 64

type serverOptions struct {
	format         string
	listen         string
	info           string
	receiveTimeout time.Duration
	tls            tlsOptions
	record         string
	out            *log.Logger
}

func runServer(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	// A logger writes whole lines, even when connections are lost at the same time.
	o := serverOptions{out: log.New(stdout, "", 0)}
	flags := flag.NewFlagSet("peer server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("service", "sample", "`name` of the service")
	flags.StringVar(&o.format, "format", "", "`name` of the format (each service has a default)")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` to listen on")
	flags.StringVar(&o.info, "info", string(delegate.DefaultServerInfo), "`text` of the server info")
	milliseconds := flags.Int("receive-timeout-ms", 0, "time for a command to arrive, 0 for ever")
	flags.StringVar(&o.record, "record", "", "`file` to append each command to that is executed, up to its first space")
	untilStdinCloses := flags.Bool("until-stdin-closes", false, "end when the standard input does")
	o.tls.register(flags)
	if err := parse(flags, args); err != nil {
		return err
	}
	o.receiveTimeout = time.Duration(*milliseconds) * time.Millisecond
	found, err := findService(*name)
	if err != nil {
		return err
	}
	if *untilStdinCloses {
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(ctx)
		go func() {
			io.Copy(io.Discard, stdin)
			stop()
		}()
	}
	return found.serve(ctx, o)
}

// serve serves until ctx ends. Any other end is an error.
func serve[T any](ctx context.Context, receiver T, codec server.Codec[T], o serverOptions) error {
	tlsConfig, err := o.tls.server()
	if err != nil {
		return err
	}
	invoker, err := invokerOf(receiver, o.record)
	if err != nil {
		return err
	}
	s, err := cmdstream.NewServerWithInvoker(invoker, codec,
		server.WithServerInfo([]byte(o.info)),
		server.WithCore(
			csrv.WithWorkersCount(workers),
			csrv.WithLostConnCallback(func(_ net.Addr, err error) { o.out.Printf("lost: %v", err) }),
		),
		server.WithHandler(handler.WithCmdReceiveDuration(o.receiveTimeout)),
	)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(secured(listener.(*net.TCPListener), tlsConfig)) }()
	o.out.Printf("listening on %v", listener.Addr())
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
	}
	if err = closeServer(s); err != nil {
		return err
	}
	if err = <-served; !errors.Is(err, csrv.ErrClosed) {
		return err
	}
	return nil
}

// closeServer also closes a server that has not started to serve yet, which the
// library refuses to do.
func closeServer(s *csrv.Server) (err error) {
	for range 1000 {
		if err = s.Close(); !errors.Is(err, csrv.ErrNotServing) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return err
}
