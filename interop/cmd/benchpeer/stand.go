package main

import (
	"net"

	cmdstream "github.com/cmd-stream/cmd-stream-go"
	ccln "github.com/cmd-stream/cmd-stream-go/core/cln"
	csrv "github.com/cmd-stream/cmd-stream-go/core/srv"
	"github.com/cmd-stream/cmd-stream-go/server"

	"interop/format"
	"interop/sample"
)

// maxConnections is how many connections a server serves at a time. The default
// of 8 would leave further clients waiting.
const maxConnections = 1024

// stand is a server of the sample service and the clients connected to it.
type stand struct {
	codecs  format.Codecs[sample.Receiver]
	server  *csrv.Server
	addr    string
	clients []*ccln.Client[sample.Receiver]
}

// stands holds a stand for each format requested so far.
type stands map[string]*stand

func (s stands) find(formatName string) (found *stand, err error) {
	found, ok := s[formatName]
	if !ok {
		if found, err = newStand(formatName); err == nil {
			s[formatName] = found
		}
	}
	return found, err
}

func (s stands) drop(formatName string) {
	s[formatName].close()
	delete(s, formatName)
}

func (s stands) close() {
	for name := range s {
		s.drop(name)
	}
}

func newStand(formatName string) (*stand, error) {
	codecs, err := format.New(formatName, sample.Formats())
	if err != nil {
		return nil, err
	}
	srv, err := cmdstream.NewServer(sample.Receiver{}, codecs.Server,
		server.WithCore(csrv.WithWorkersCount(maxConnections)))
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go srv.Serve(listener.(*net.TCPListener))
	return &stand{codecs: codecs, server: srv, addr: listener.Addr().String()}, nil
}

// connect makes sure that there are this many connections. Those of the previous
// round are used again if their number is right.
func (s *stand) connect(connections int) error {
	if len(s.clients) == connections {
		return nil
	}
	s.disconnect()
	for range connections {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return err
		}
		client, err := cmdstream.NewClient(s.codecs.Client, conn)
		if err != nil {
			conn.Close()
			return err
		}
		s.clients = append(s.clients, client)
	}
	return nil
}

func (s *stand) disconnect() {
	for _, client := range s.clients {
		client.Close()
		<-client.Done()
	}
	s.clients = nil
}

func (s *stand) close() {
	s.disconnect()
	s.server.Close()
}
