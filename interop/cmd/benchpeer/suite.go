package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	cmdstream "github.com/cmd-stream/cmd-stream-go"
	"github.com/cmd-stream/cmd-stream-go/core"
	ccln "github.com/cmd-stream/cmd-stream-go/core/cln"
	csrv "github.com/cmd-stream/cmd-stream-go/core/srv"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/format"
	"interop/sample"
	"interop/suite"
)

// adapter is the library as the suite measures it.
type adapter struct {
	tls *tls.Config // of both ends; nil until it is asked for
}

func (a *adapter) Describe() suite.Description {
	return suite.Description{
		Name:       "cmd-stream-go",
		Version:    version(),
		Settings:   "defaults; one client per connection and one channel per task, without group and sender; as many workers as connections",
		Language:   "go",
		Formats:    []string{format.MUS, format.Protobuf, format.JSON},
		Transports: []string{"tcp", "unix", "tls"},
		Can:        suite.Everything(),
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, module := range info.Deps {
		if module.Path == "github.com/cmd-stream/cmd-stream-go" {
			return module.Version
		}
	}
	return "unknown"
}

// Box makes a value a command once: it costs no allocation when it is sent.
func (a *adapter) Box(value sample.EchoCmd) any { return core.Cmd[desk](echoCmd(value)) }

func (a *adapter) Serve(setting suite.Setting) (address string, stop func() error, err error) {
	codecs, err := format.New(setting.Format, suiteFormats())
	if err != nil {
		return "", nil, err
	}
	// Further connections would not be served. The default is 8.
	workers := csrv.WithWorkersCount(max(setting.Connections, 8))
	srv, err := cmdstream.NewServer(desk{suite.Delay(setting)}, codecs.Server, server.WithCore(workers))
	if err != nil {
		return "", nil, err
	}
	listener, address, err := a.listen(setting.Transport)
	if err != nil {
		return "", nil, err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	return address, func() error { return halt(srv, served) }, nil
}

func halt(srv *csrv.Server, served <-chan error) error {
	// A server that has not started to serve yet refuses to be closed.
	for range 1000 {
		err := srv.Close()
		if err == nil {
			break
		}
		if !errors.Is(err, csrv.ErrNotServing) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	if err := <-served; !errors.Is(err, csrv.ErrClosed) {
		return fmt.Errorf("the server ended with %w", err)
	}
	return nil
}

func (a *adapter) listen(transport string) (core.Listener, string, error) {
	if transport == "unix" {
		path := suite.SocketPath()
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		return listener, path, err
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, "", err
	}
	if transport != "tls" {
		return listener, listener.Addr().String(), nil
	}
	if a.tls == nil {
		if a.tls, err = newTLS(); err != nil {
			return nil, "", err
		}
	}
	return tlsListener{tls.NewListener(listener, a.tls), listener}, listener.Addr().String(), nil
}

func (a *adapter) Connect(setting suite.Setting, address string) (suite.Conn, error) {
	codecs, err := format.New(setting.Format, suiteFormats())
	if err != nil {
		return nil, err
	}
	conn, err := a.dial(setting.Transport, address)
	if err != nil {
		return nil, err
	}
	client, err := cmdstream.NewClient(codecs.Client, conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return connection{client}, nil
}

func (a *adapter) dial(transport, address string) (net.Conn, error) {
	switch transport {
	case "unix":
		return net.Dial("unix", address)
	case "tls":
		return tls.Dial("tcp", address, a.tls)
	}
	return net.Dial("tcp", address)
}

type connection struct {
	client *ccln.Client[desk]
}

func (c connection) Caller() suite.Caller {
	return &caller{c.client, make(chan core.AsyncResult, 1)}
}

func (c connection) Close() {
	c.client.Close()
	<-c.client.Done()
}

// caller uses the client without a group and a sender around it, and a channel that
// is made once: that is the fastest way that the library has.
type caller struct {
	client  *ccln.Client[desk]
	results chan core.AsyncResult
}

func (c *caller) Echo(value *suite.Value) error {
	if _, _, err := c.client.Send(value.Sent.(core.Cmd[desk]), c.results); err != nil {
		return err
	}
	result := <-c.results
	if result.Error != nil {
		return result.Error
	}
	if got, ok := result.Result.(sample.EchoResult); !ok || sample.EchoCmd(got) != value.Raw {
		return fmt.Errorf("%.200s was sent, %.200s came back", fmt.Sprintf("%#v", value.Raw), fmt.Sprintf("%#v", result.Result))
	}
	return nil
}

func (c *caller) Stream(replies int) error {
	// A full channel stalls the connection until somebody reads, so this is its window.
	results := make(chan core.AsyncResult, 1024)
	if _, _, err := c.client.Send(streamCmd{Count: replies}, results); err != nil {
		return err
	}
	for number := range replies {
		result := <-results
		if result.Error != nil {
			return result.Error
		}
		want := sample.StreamResult{Value: number, Last: number == replies-1}
		if got, ok := result.Result.(sample.StreamResult); !ok || got != want {
			return fmt.Errorf("%#v came in place of reply %d of %d", result.Result, number, replies)
		}
	}
	return nil
}

func (c *caller) Burn(millis int) error {
	if _, _, err := c.client.Send(burnCmd{millis}, c.results); err != nil {
		return err
	}
	result := <-c.results
	if result.Error != nil {
		return result.Error
	}
	if result.Result != (sample.DelayResult{ID: millis}) {
		return fmt.Errorf("%d was sent, %#v came back", millis, result.Result)
	}
	return nil
}
