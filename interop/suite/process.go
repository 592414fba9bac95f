package suite

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is what /proc counts CPU time in.
const tick = 10 * time.Millisecond

// meter counts the CPU time of this process, and of the server's if it is another
// one.
type meter struct {
	server *elsewhere
}

// read returns user and system time of all threads since the start.
func (m meter) read() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	own := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	if m.server == nil {
		return own, nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.server.PID))
	if err != nil {
		return 0, err
	}
	// The name is in parentheses, and may have any form.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%d fields in stat", len(fields))
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		own += time.Duration(ticks) * tick
	}
	return own, nil
}

// serverPID is the process that has the server.
func (m meter) serverPID() int {
	if m.server == nil {
		return os.Getpid()
	}
	return m.server.PID
}

// resident returns the resident memory of a process in bytes.
func resident(pid int) (uint64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no VmRSS", path)
}
