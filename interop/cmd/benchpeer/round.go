package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
	ccln "github.com/cmd-stream/cmd-stream-go/core/cln"

	"interop/sample"
	"interop/suite"
	"interop/workload"
)

// patience is how much longer than requested a round may take.
const patience = 30 * time.Second

var (
	errStuck = errors.New("the round did not end: a reply is missing")
)

// The commands of the workload: to compare with, and to send.
var (
	values = workload.Pool()
	boxed  = workload.Boxed()
)

// window is the measured time, as durations since the start of the round.
type window struct {
	start, end time.Duration
}

// task sends one command after another and waits for the reply of each.
//
// It uses the client without a group and a sender around it, and a channel that
// is made once: that is the fastest way that the library has. A sender makes a
// channel and a hook for each command, and a group shares a counter.
type task struct {
	client   *ccln.Client[sample.Receiver]
	results  chan core.AsyncResult
	next     int
	commands uint64
	// Every stride-th command is timed. With many tasks, a histogram has left
	// the cache when it is used again.
	stride uint64
	times  suite.Histogram
}

// round runs the tasks asked for.
func (s *stand) round(r request) (a answer, err error) {
	if err = s.connect(r.Connections); err != nil {
		return a, err
	}
	var (
		wg     sync.WaitGroup
		failed failure
		window = r.window()
		tasks  = make([]*task, r.InFlight)
		stride = uint64(1)
		begin  = make(chan time.Time)
	)
	if r.InFlight > 64 {
		stride = 16
	}
	for i := range tasks {
		tasks[i] = &task{
			stride:  stride,
			client:  s.clients[i%len(s.clients)],
			results: make(chan core.AsyncResult, 1),
			next:    i,
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := tasks[i].run(<-begin, window); err != nil {
				failed.set(err)
				s.giveUp()
			}
		}()
	}
	now := time.Now()
	for range tasks {
		begin <- now
	}
	ended := make(chan struct{})
	go func() {
		wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return sum(tasks, window), failed.err
	case <-time.After(window.end + patience):
		return a, errStuck
	}
}

// run sends commands until the window is over. It counts those whose reply has
// arrived and been compared within the window.
func (t *task) run(begin time.Time, window window) error {
	before := time.Since(begin)
	for before < window.end {
		if err := t.call(t.next % len(values)); err != nil {
			return err
		}
		t.next++
		after := time.Since(begin)
		if after >= window.start && after < window.end {
			t.commands++
			if uint64(t.next)%t.stride == 0 { // each task begins at another one
				t.times.Record(after - before)
			}
		}
		before = after
	}
	return nil
}

// call sends a value and compares the reply with it.
func (t *task) call(i int) error {
	if _, _, err := t.client.Send(boxed[i], t.results); err != nil {
		return err
	}
	result := <-t.results
	if result.Error != nil {
		return result.Error
	}
	if got, ok := result.Result.(sample.EchoResult); !ok || sample.EchoCmd(got) != values[i] {
		return fmt.Errorf("value %d came back as %.200s", i, fmt.Sprintf("%#v", result.Result))
	}
	return nil
}

// giveUp closes the connections, so that no task waits for a reply that may
// never come.
func (s *stand) giveUp() {
	for _, client := range s.clients {
		client.Close()
	}
}

// failure keeps the first error; later ones only follow from it.
type failure struct {
	once sync.Once
	err  error
}

func (f *failure) set(err error) { f.once.Do(func() { f.err = err }) }

// sum adds up the results of the tasks.
func sum(tasks []*task, window window) (a answer) {
	var times suite.Histogram
	for _, t := range tasks {
		a.Commands += t.commands
		times.Add(&t.times)
	}
	a.Verified = a.Commands // call compares each reply
	a.ElapsedNS = (window.end - window.start).Nanoseconds()
	a.P50NS = times.Percentile(0.50).Nanoseconds()
	a.P99NS = times.Percentile(0.99).Nanoseconds()
	a.P999NS = times.Percentile(0.999).Nanoseconds()
	return a
}
