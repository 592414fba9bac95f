package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"time"

	cmdstream "github.com/cmd-stream/cmd-stream-go"
	"github.com/cmd-stream/cmd-stream-go/client"
	ccln "github.com/cmd-stream/cmd-stream-go/core/cln"
	"github.com/cmd-stream/cmd-stream-go/delegate"
	dcln "github.com/cmd-stream/cmd-stream-go/delegate/cln"
	"github.com/cmd-stream/cmd-stream-go/group"
	"github.com/cmd-stream/cmd-stream-go/sender"
)

const (
	// connectTime is how long a server may take to start.
	connectTime = 5 * time.Second
	// callTime is how long a call may take, unless it waits on purpose.
	callTime = 10 * time.Second
)

type clientOptions struct {
	format   string
	connect  string
	info     string
	scenario string
	count    int
	tasks    int
	clients  int
	text     string
	tls      tlsOptions
	pings    int
	interval time.Duration
	seconds  int
	first    int
	longest  int
	out      io.Writer
	errs     io.Writer
}

func runClient(args []string, stdout, stderr io.Writer) error {
	o := clientOptions{out: stdout, errs: stderr}
	flags := flag.NewFlagSet("peer client", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("service", "sample", "`name` of the service")
	flags.StringVar(&o.format, "format", "", "`name` of the format (each service has a default)")
	flags.StringVar(&o.connect, "connect", "", "`address` of the server")
	flags.StringVar(&o.info, "info", "", "`text` of the server info to expect (default \"default\")")
	flags.StringVar(&o.scenario, "scenario", "", "`name` of what to do with the services sample, jobs and reconnect (each has a default)")
	flags.IntVar(&o.count, "count", 10000, "commands of the scenarios pipelined and group")
	flags.IntVar(&o.tasks, "tasks", 64, "concurrent senders of the scenarios pipelined, group and traffic")
	flags.IntVar(&o.clients, "clients", 0, "clients of the group in the scenarios group (default 8) and traffic (default 1)")
	flags.StringVar(&o.text, "text", "", "`text` to send to the services echo, message, hello_world and server_streaming (each has a default)")
	o.tls.register(flags)
	flags.IntVar(&o.pings, "pings", 3, "pings of the scenario keepalive")
	milliseconds := flags.Int("interval-ms", 50, "silence before each ping of the scenario keepalive")
	flags.IntVar(&o.seconds, "seconds", 10, "how long the service reconnect is sent messages")
	flags.IntVar(&o.first, "first", 1, "number of the first message of the scenario traffic")
	flags.IntVar(&o.longest, "longest", 5000, "`bytes` that a message of the scenario traffic may have, at least 1")
	if err := parse(flags, args); err != nil {
		return err
	}
	o.interval = time.Duration(*milliseconds) * time.Millisecond
	if o.connect == "" {
		return errors.New("--connect is missing")
	}
	found, err := findService(*name)
	if err != nil {
		return err
	}
	return found.call(o)
}

// textOr returns the text to send.
func (o clientOptions) textOr(text string) string {
	if o.text != "" {
		return o.text
	}
	return text
}

// clientsOr returns the size of a group.
func (o clientOptions) clientsOr(usual int) int {
	if o.clients != 0 {
		return o.clients
	}
	return usual
}

// dialer makes connections of a service.
type dialer[T any] struct {
	clientOptions
	codec client.Codec[T]
}

// link is one connection, to be used through the client or, more comfortably,
// through the sender on top of it.
type link[T any] struct {
	client *ccln.Client[T]
	sender sender.Sender[T]
	traffic
}

// dial connects, trying again until the server accepts or connectTime is over.
func (d dialer[T]) dial(opts ...client.SetOption) (link[T], error) {
	conn, err := dialFor(connectTime, d.connect)
	if err != nil {
		return link[T]{}, err
	}
	if conn, err = d.secure(conn); err != nil {
		return link[T]{}, err
	}
	counted := &countedConn{Conn: conn}
	c, err := cmdstream.NewClient(d.codec, counted, d.greeted(opts)...)
	if err != nil {
		conn.Close() // the library leaves it open
		return link[T]{}, err
	}
	clients := group.NewRoundRobinStrategy([]group.Client[T]{c})
	return link[T]{client: c, sender: sender.New(group.New(clients)), traffic: counted}, nil
}

// greeted adds to the options of a client what it expects to be greeted with.
func (o clientOptions) greeted(opts []client.SetOption) []client.SetOption {
	info := o.info
	if info == "" {
		info = string(delegate.DefaultServerInfo)
	}
	return append([]client.SetOption{
		client.WithServerInfo([]byte(info)),
		client.WithDelegate(dcln.WithServerInfoReceiveDuration(connectTime)),
	}, opts...)
}

// secure puts TLS over the connection, if the options say so. The handshake is made
// at the first read.
func (o clientOptions) secure(conn net.Conn) (net.Conn, error) {
	host, _, err := net.SplitHostPort(o.connect)
	if err != nil {
		return conn, err
	}
	config, err := o.tls.client(host)
	if err != nil || config == nil {
		return conn, err
	}
	return tls.Client(conn, config), nil
}

// with runs body on a connection of its own.
func (d dialer[T]) with(body func(link[T]) error, opts ...client.SetOption) error {
	l, err := d.dial(opts...)
	if err != nil {
		return err
	}
	defer l.client.Close()
	return body(l)
}

func dialFor(limit time.Duration, addr string) (conn net.Conn, err error) {
	deadline := time.Now().Add(limit)
	for {
		conn, err = net.DialTimeout("tcp", addr, time.Until(deadline))
		if err == nil || !time.Now().Add(20*time.Millisecond).Before(deadline) {
			return conn, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// callContext bounds one call.
func callContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTime)
}

// unexpected is an error about a value that should have been another.
func unexpected(what string, got, want any) error {
	return fmt.Errorf("%s is %.200s, not %.200s", what, fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want))
}
