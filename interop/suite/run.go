package suite

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"interop/sample"
)

// firstIdle connections are idle before the first look at the memory.
const firstIdle = 100

// Adapter is the way to one library: all that its participant has to write.
type Adapter interface {
	// Describe says who it is, and what it has.
	Describe() Description
	// Box makes a value once what it is sent as.
	Box(value sample.EchoCmd) any
	// Serve starts a server, and returns its address.
	Serve(setting Setting) (address string, stop func() error, err error)
	// Connect opens one connection.
	Connect(setting Setting, address string) (Conn, error)
}

// Conn is one connection.
type Conn interface {
	// Caller returns what one goroutine makes its calls with.
	Caller() Caller
	// Close may be called twice.
	Close()
}

// Caller makes one call at a time. Each compares what comes back.
type Caller interface {
	Echo(value *Value) error
	Stream(replies int) error
	Burn(millis int) error
}

// Is says whether a line is for this package, and not for the older lines of
// benchpeer.
func Is(line []byte) bool {
	var a ask
	return json.Unmarshal(line, &a) == nil && a.Ask != ""
}

// Peer answers lines. It keeps the server that it was asked to start.
type Peer struct {
	adapter Adapter
	stop    func() error
}

// NewPeer returns a participant.
func NewPeer(adapter Adapter) *Peer { return &Peer{adapter: adapter} }

// Run answers what it is asked until the input ends.
func Run(adapter Adapter, in io.Reader, out io.Writer) error {
	var (
		peer  = NewPeer(adapter)
		lines = bufio.NewScanner(in)
	)
	for lines.Scan() {
		if err := json.NewEncoder(out).Encode(peer.Respond(lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Respond answers one line.
func (p *Peer) Respond(line []byte) any {
	var a ask
	if err := json.Unmarshal(line, &a); err != nil {
		return outcome{Error: err.Error()}
	}
	switch a.Ask {
	case "describe":
		return p.adapter.Describe()
	case "serve":
		s := serving{}
		err := p.halt()
		if err == nil {
			s.Address, p.stop, err = p.adapter.Serve(a.Setting)
		}
		if err != nil {
			s.Error = err.Error()
		}
		return s
	case "stop":
		if err := p.halt(); err != nil {
			return serving{Error: err.Error()}
		}
		return serving{}
	case "measure":
		o, err := measure(p.adapter, a)
		if err != nil {
			return outcome{Error: err.Error()}
		}
		return o
	}
	return outcome{Error: fmt.Sprintf("unknown ask %q", a.Ask)}
}

func (p *Peer) halt() (err error) {
	if p.stop != nil {
		err = p.stop()
		p.stop = nil
	}
	return err
}

// measure starts a server unless there is one, opens the connections, puts the
// load on them, and stops it all.
func measure(adapter Adapter, a ask) (o outcome, err error) {
	address := ""
	if a.Server != nil {
		address = a.Server.Address
	} else {
		var stop func() error
		if address, stop, err = adapter.Serve(a.Setting); err != nil {
			return o, err
		}
		defer func() {
			if stopErr := stop(); err == nil {
				err = stopErr
			}
		}()
	}
	r := round{
		values:   pool(a.PayloadBytes, adapter.Box),
		warmup:   time.Duration(a.WarmupMS) * time.Millisecond,
		duration: time.Duration(a.DurationMS) * time.Millisecond,
		meter:    meter{a.Server},
	}
	if r.conns, err = connect(adapter, a.Setting, address, a.Connections, nil); err != nil {
		return o, err
	}
	defer closeAll(r.conns)
	if a.Load.Kind == "idle" {
		return r.idle(adapter, a, address)
	}
	if o, err = r.put(a.Load); err != nil {
		return o, err
	}
	if bytes, err := resident(r.meter.serverPID()); err == nil {
		kib := bytes >> 10
		o.ServerRSSKiB = &kib
	}
	return o, nil
}

func (r *round) put(l load) (outcome, error) {
	switch l.Kind {
	case "closed":
		return r.closed(l.InFlight, 0)
	case "burst":
		return r.burst(l.Calls)
	case "stream":
		return r.streams(l.Replies)
	case "burning":
		return r.closed(l.InFlight, l.BurnMS)
	case "open":
		return r.open(l.OfferedPerS, l.MostInFlight)
	}
	return outcome{}, fmt.Errorf("unknown load %q", l.Kind)
}

// idle opens the connections that are to do nothing. Each makes one call first.
// Then one connection is active.
func (r *round) idle(adapter Adapter, a ask, address string) (o outcome, err error) {
	open := func(count int) ([]Conn, error) {
		return connect(adapter, a.Setting, address, count, &r.values[0])
	}
	first, err := open(firstIdle)
	if err != nil {
		return o, err
	}
	defer closeAll(first)
	before, err := resident(r.meter.serverPID())
	if err != nil {
		return o, err
	}
	idle, err := open(a.Load.Idle)
	if err != nil {
		return o, err
	}
	defer closeAll(idle)
	after, err := resident(r.meter.serverPID())
	if err != nil {
		return o, err
	}
	if o, err = r.closed(1, 0); err != nil {
		return o, err
	}
	kib, each := after>>10, (float64(after)-float64(before))/1024/float64(a.Load.Idle)
	o.ServerRSSKiB, o.MemoryKiBPerConnection = &kib, &each
	return o, nil
}

func connect(adapter Adapter, setting Setting, address string, count int, value *Value) (conns []Conn, err error) {
	for range count {
		conn, err := adapter.Connect(setting, address)
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conns = append(conns, conn)
		if value == nil {
			continue
		}
		if err = conn.Caller().Echo(value); err != nil {
			closeAll(conns)
			return nil, err
		}
	}
	return conns, nil
}

func closeAll(conns []Conn) {
	for _, conn := range conns {
		conn.Close()
	}
}

var sockets atomic.Uint32

// SocketPath returns a path for a new Unix socket, which no other process and no
// other server of this one has.
func SocketPath() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("bench-%d-%d.sock", os.Getpid(), sockets.Add(1)))
}

// Burn computes for so long without a pause: what the server of every participant
// does for Caller.Burn.
func Burn(millis int) {
	for begin := time.Now(); time.Since(begin) < time.Duration(millis)*time.Millisecond; {
	}
}

// Delay waits for so long, if at all: what the server of every participant does
// before it answers an echo.
func Delay(setting Setting) func() {
	delay := time.Duration(setting.DelayMS) * time.Millisecond
	return func() {
		if delay > 0 {
			time.Sleep(delay)
		}
	}
}
