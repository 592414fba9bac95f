package main

import (
	"net"
	"sync/atomic"
)

// traffic counts the bytes of a connection.
type traffic interface {
	bytesSent() int64
	bytesReceived() int64
}

// countedConn counts its bytes. It shows what the library hides: that pings are
// sent and answered.
type countedConn struct {
	net.Conn
	sent, received atomic.Int64
}

func (c *countedConn) Read(p []byte) (n int, err error) {
	n, err = c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (n int, err error) {
	n, err = c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

func (c *countedConn) bytesSent() int64     { return c.sent.Load() }
func (c *countedConn) bytesReceived() int64 { return c.received.Load() }
