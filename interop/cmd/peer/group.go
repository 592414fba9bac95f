package main

import (
	"net"

	cmdstream "github.com/cmd-stream/cmd-stream-go"
	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/group"
	"github.com/cmd-stream/cmd-stream-go/sender"

	"interop/sample"
)

// clientGroup is a group of the library, with clients that reconnect, under a sender
// of the library.
type clientGroup[T any] struct {
	sender  sender.Sender[T]
	members []group.Client[T]
}

// groupOptions are what a group can have beside its size.
type groupOptions[T any] struct {
	client []client.SetOption
	sender []sender.SetOption[T]
	// wrap is called with each connection. It may be nil.
	wrap func(net.Conn) net.Conn
}

// group connects a group of this many clients, each for up to connectTime.
func (d dialer[T]) group(size int, o groupOptions[T]) (g clientGroup[T], err error) {
	members := &memberStrategyFactory[T]{}
	clients, err := cmdstream.NewGroup(size, d.codec, d.redialer(o.wrap),
		group.WithReconnect[T](),
		group.WithFactory[T](members),
		group.WithClient[T](d.greeted(o.client)...),
	)
	if err != nil {
		return g, err
	}
	return clientGroup[T]{sender: sender.New(clients, o.sender...), members: members.clients}, nil
}

// redialer makes the connections of clients that reconnect. The library pauses
// between attempts only if this does.
func (d dialer[T]) redialer(wrap func(net.Conn) net.Conn) client.ConnFactory {
	return client.ConnFactoryFn(func() (net.Conn, error) {
		conn, err := dialFor(connectTime, d.connect)
		if err != nil {
			return nil, err
		}
		if conn, err = d.secure(conn); err != nil || wrap == nil {
			return conn, err
		}
		return wrap(conn), nil
	})
}

// ended tells whether a client has ended for good, as one does after a loss inside a
// frame. The library goes on to send through it, and these calls fail.
func (g clientGroup[T]) ended() bool {
	for _, member := range g.members {
		select {
		case <-member.Done():
			return true
		default:
		}
	}
	return false
}

// memberStrategyFactory makes the usual strategy, round robin, and remembers the
// clients, which the group does not show.
type memberStrategyFactory[T any] struct {
	group.RoundRobinStrategyFactory[T]
	clients []group.Client[T]
}

// New is called once, when all clients have connected.
func (f *memberStrategyFactory[T]) New(clients []group.Client[T]) group.DispatchStrategy[group.Client[T]] {
	f.clients = clients
	return f.RoundRobinStrategyFactory.New(clients)
}

// grouped makes many calls through a group, from several goroutines. Every tenth is
// answered with one to five replies. All are compared.
func grouped(d sampleDialer) error {
	g, err := d.group(d.clientsOr(8), groupOptions[sample.Receiver]{})
	if err != nil {
		return err
	}
	defer g.sender.Close()
	l := sampleLink{sender: g.sender}
	return callMany(d.clientOptions, func(i int, echo sample.EchoCmd) error {
		if i%10 == 9 {
			return expectStream(l, sample.StreamCmd{Init: i, Count: 1 + i/10%5})
		}
		return sendEcho(l, echo)
	})
}
