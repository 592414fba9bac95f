package suite

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// patience is how much longer than requested a round may take.
const patience = 30 * time.Second

var errStuck = errors.New("the round did not end: a reply is missing")

// round is what all load generators need to know.
type round struct {
	conns            []Conn
	values           []Value
	warmup, duration time.Duration
	meter            meter
}

// The phases of a window. Tasks look at them instead of the clock.
const (
	warmingUp = iota
	counting
	over
)

// tally is what the tasks of a round measured. With many tasks, several share a
// histogram: one for each would have left the cache when it is used again.
type tally struct {
	phase    atomic.Int32
	failed   failure
	commands atomic.Uint64
	verified atomic.Uint64
	shards   [64]struct {
		sync.Mutex
		times Histogram
	}
}

func (t *tally) record(task int, took time.Duration) {
	shard := &t.shards[task%len(t.shards)]
	shard.Lock()
	shard.times.Record(took)
	shard.Unlock()
}

func (t *tally) times() *Histogram {
	var all Histogram
	for i := range t.shards {
		all.Add(&t.shards[i].times)
	}
	return &all
}

// failure keeps the first error; later ones only follow from it.
type failure struct {
	mutex sync.Mutex
	err   error
}

func (f *failure) set(err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *failure) get() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.err
}

// task is one of the tasks of a closed loop: it begins at another value than its
// neighbours.
func (r *round) task(t *tally, number, tasks int) {
	caller := r.conns[number%len(r.conns)].Caller()
	stride := uint64(1)
	if tasks > 16 {
		stride = 16
	}
	var commands, verified uint64
	next := number * 7
	for n := uint64(number); ; n++ {
		timed := n%stride == 0
		var before time.Time
		if timed {
			before = time.Now()
		}
		if err := caller.Echo(&r.values[next%len(r.values)]); err != nil {
			t.fail(r, err)
			return
		}
		next++
		verified++
		switch t.phase.Load() {
		case counting:
			if timed {
				t.record(number, time.Since(before))
			}
			commands++
		case over:
			t.commands.Add(commands)
			t.verified.Add(verified)
			return
		}
	}
}

// fail ends the round: no task waits for a reply that may never come.
func (t *tally) fail(r *round, err error) {
	t.failed.set(err)
	for _, conn := range r.conns {
		conn.Close()
	}
}

// window opens after the warm-up and closes at the end. It returns how long it was
// open, and the CPU time meanwhile.
func (r *round) window(t *tally) (elapsed time.Duration, cpu *int64) {
	time.Sleep(r.warmup)
	before, err := r.meter.read()
	opened := time.Now()
	t.phase.Store(counting)
	time.Sleep(r.duration)
	t.phase.Store(over)
	elapsed = time.Since(opened)
	return elapsed, r.since(before, err)
}

// since returns the CPU time since it was read, or nil if the system does not tell.
func (r *round) since(before time.Duration, err error) *int64 {
	after, err2 := r.meter.read()
	if err != nil || err2 != nil {
		return nil
	}
	ns := (after - before).Nanoseconds()
	return &ns
}

// spawn runs f in a goroutine that the group waits for.
func spawn(wg *sync.WaitGroup, f func()) {
	wg.Add(1)
	go func() {
		defer wg.Done()
		f()
	}()
}

func wait(wg *sync.WaitGroup, limit time.Duration) error {
	ended := make(chan struct{})
	go func() {
		wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-time.After(limit):
		return errStuck
	}
}

// closed keeps commands in flight. If burn is not 0, one command after another
// computes for so many milliseconds, and counts for nothing.
func (r *round) closed(inFlight, burn int) (o outcome, err error) {
	var (
		t  = new(tally)
		wg sync.WaitGroup
	)
	for number := range inFlight {
		spawn(&wg, func() { r.task(t, number, inFlight) })
	}
	if burn > 0 {
		spawn(&wg, func() { r.burn(t, burn) })
	}
	elapsed, cpu := r.window(t)
	if err = wait(&wg, patience); err != nil {
		return o, errors.Join(t.failed.get(), err)
	}
	o = outcome{Commands: t.commands.Load(), Verified: t.verified.Load(), ElapsedNS: elapsed.Nanoseconds(), CPUNS: cpu,
		Latency: latencyOf(t.times())}
	return o, t.failed.get()
}

func (r *round) burn(t *tally, millis int) {
	for number := 0; t.phase.Load() != over && t.failed.get() == nil; number++ {
		if err := r.conns[number%len(r.conns)].Caller().Burn(millis); err != nil {
			t.fail(r, err)
			return
		}
	}
}

// burst makes all calls at once, each in a goroutine of its own.
func (r *round) burst(calls int) (o outcome, err error) {
	if _, err = r.atOnce((calls + 9) / 10); err != nil {
		return o, err
	}
	before, err := r.meter.read()
	begin := time.Now()
	t, err2 := r.atOnce(calls)
	if err2 != nil {
		return o, err2
	}
	elapsed := time.Since(begin)
	count := t.verified.Load()
	o = outcome{Commands: count, Verified: count, ElapsedNS: elapsed.Nanoseconds(), CPUNS: r.since(before, err),
		Latency: latencyOf(t.times())}
	// As in Rust, a tenth again shows what a call allocates.
	tenth := (calls + 9) / 10
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	if _, err = r.atOnce(tenth); err != nil {
		return o, err
	}
	runtime.ReadMemStats(&end)
	allocations := float64(end.Mallocs-start.Mallocs) / float64(tenth)
	bytes := float64(end.TotalAlloc-start.TotalAlloc) / float64(tenth)
	o.AllocationsPerCommand, o.BytesPerCommand = &allocations, &bytes
	return o, nil
}

func (r *round) atOnce(calls int) (*tally, error) {
	var (
		t  = new(tally)
		wg sync.WaitGroup
	)
	for call := range calls {
		spawn(&wg, func() {
			before := time.Now()
			if err := r.conns[call%len(r.conns)].Caller().Echo(&r.values[call%len(r.values)]); err != nil {
				t.fail(r, err)
				return
			}
			t.record(call, time.Since(before))
			t.verified.Add(1)
		})
	}
	if err := wait(&wg, 2*patience); err != nil {
		return nil, errors.Join(t.failed.get(), fmt.Errorf("%d of %d calls were answered in a minute", t.verified.Load(), calls))
	}
	return t, t.failed.get()
}

// streams sends commands with so many replies each, one after another. What is
// counted are the replies.
func (r *round) streams(replies int) (o outcome, err error) {
	caller := r.conns[0].Caller()
	if err = caller.Stream((replies + 9) / 10); err != nil {
		return o, err
	}
	for begin := time.Now(); time.Since(begin) < r.warmup; {
		if err = caller.Stream(replies); err != nil {
			return o, err
		}
	}
	before, cpuErr := r.meter.read()
	begin := time.Now()
	for o.Commands == 0 || time.Since(begin) < r.duration {
		if err = caller.Stream(replies); err != nil {
			return o, err
		}
		o.Commands += uint64(replies)
	}
	o.Verified, o.ElapsedNS = o.Commands, time.Since(begin).Nanoseconds()
	o.CPUNS = r.since(before, cpuErr)
	return o, nil
}

// open sends commands at a fixed rate. A latency is the time from when the command
// was to be sent.
func (r *round) open(perSecond float64, most int) (o outcome, err error) {
	var (
		t        = new(tally)
		wg       sync.WaitGroup
		inFlight atomic.Int64
		opens    = int(r.warmup.Seconds() * perSecond)
		end      = opens + max(int(r.duration.Seconds()*perSecond), 1)
		begin    = time.Now()
		at       = func(number int) time.Time {
			return begin.Add(time.Duration(float64(number) / perSecond * 1e9))
		}
		opened time.Time
		before time.Duration
		cpuErr error
		next   int
	)
	// The timers of the runtime are too coarse, so this goroutine has a thread that sleeps.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for next < end && time.Since(begin) < r.warmup+r.duration && t.failed.get() == nil {
		now := time.Now()
		for next < end && !at(next).After(now) {
			number := next
			next++
			if number >= opens && opened.IsZero() {
				opened = at(opens)
				before, cpuErr = r.meter.read()
			}
			if inFlight.Load() >= int64(most) {
				if number >= opens {
					o.Missed++
				}
				continue
			}
			inFlight.Add(1)
			spawn(&wg, func() {
				defer inFlight.Add(-1)
				caller := r.conns[number%len(r.conns)].Caller()
				if err := caller.Echo(&r.values[number%len(r.values)]); err != nil {
					t.fail(r, err)
					return
				}
				if number >= opens {
					t.record(number, time.Since(at(number)))
					t.commands.Add(1)
				}
				t.verified.Add(1)
			})
		}
		if next < end {
			pause := min(max(time.Until(at(next)), 50*time.Microsecond), 10*time.Millisecond)
			syscall.Nanosleep(&syscall.Timespec{Nsec: pause.Nanoseconds()}, nil)
		}
	}
	o.Missed += uint64(end - max(next, opens))
	if err = wait(&wg, patience); err == nil {
		err = t.failed.get()
	}
	if err != nil || opened.IsZero() {
		return o, errors.Join(err, t.failed.get(), errors.New("the open loop did not end well"))
	}
	o.Commands, o.Verified = t.commands.Load(), t.verified.Load()
	o.ElapsedNS = max(time.Since(opened), r.duration).Nanoseconds()
	o.CPUNS = r.since(before, cpuErr)
	o.Latency = latencyOf(t.times())
	return o, nil
}
