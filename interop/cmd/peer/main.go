// Command peer is a server or a client built on cmd-stream-go. Tests of another
// implementation talk to it.
//
//	peer server --service NAME [--listen ADDR] [--until-stdin-closes]
//	peer client --service NAME --connect ADDR [--scenario NAME]
//
// The services are sample, jobs, orders, protobuf_sample, values, calc, echo, message,
// keepalive, reconnect, resilient, hello_world, rpc and server_streaming. With
// --tls-ca FILE, --tls-cert FILE and --tls-key FILE either end speaks TLS. See the
// README of the module for what each end prints.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program without its process. The end of ctx stops a server, as a
// signal does.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (exit int) {
	err := errors.New("usage: peer server|client --service NAME ...")
	switch {
	case len(args) == 0:
	case args[0] == "server":
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = runServer(ctx, args[1:], stdin, stdout, stderr)
	case args[0] == "client":
		err = runClient(args[1:], stdout, stderr)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 2
	}
	fmt.Fprintln(stderr, "peer:", err)
	return 1
}

// parse parses args, which must all be flags.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return nil
}
