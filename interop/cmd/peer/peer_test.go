package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var formats = []string{"json", "mus", "protobuf"}

func TestScenarios(t *testing.T) {
	want := map[string]string{
		"unary":      "ok\n",
		"streaming":  "ok\n",
		"forgotten":  "ok\n",
		"keepalive":  "ok\n",
		"wrong_info": "failed: cmdstream: server info mismatch\nok\n",
		"pipelined":  "ok\n",
		"group":      "ok\n",
		"failing":    "failing command: ...\npending command: ...\nok\n",
		"oversize":   "failed: ...\nok\n",
		"silent":     "", // TestReceiveTimeout
		"killed":     "", // TestKilledServerFailsTheClient
	}
	for _, format := range formats {
		for name := range scenarios {
			t.Run(format+"/"+name, func(t *testing.T) {
				pattern, known := want[name]
				if !known {
					t.Fatal("this scenario has no expectation")
				}
				if pattern == "" {
					t.SkipNow()
				}
				server := startServer(t, "--service", "sample", "--format", format)
				out, errs, exit := call("--connect", server.addr, "--format", format, "--scenario", name, "--count", "2000")
				if exit != 0 || errs != "" || !matches(out, pattern) {
					t.Errorf("exit %d, printed %q, complained %q", exit, out, errs)
				}
			})
		}
	}
}

func TestJobs(t *testing.T) {
	for _, format := range formats {
		for name := range jobScenarios {
			t.Run(format+"/"+name, func(t *testing.T) {
				server := startServer(t, "--service", "jobs", "--format", format)
				out, errs, exit := call("--connect", server.addr, "--service", "jobs", "--format", format, "--scenario", name)
				want := "ok\n"
				if name == "wrong_info" {
					want = "failed: cmdstream: server info mismatch\nok\n"
				}
				if exit != 0 || errs != "" || out != want {
					t.Errorf("exit %d, printed %q, complained %q", exit, out, errs)
				}
				server.expectLine(t, "lost: EOF")
			})
		}
	}
}

func TestOtherServices(t *testing.T) {
	for service, test := range map[string]struct {
		formats []string // none: the one that the service has by default
		want    string
	}{
		"orders":           {want: "ok\n"},
		"protobuf_sample":  {want: "ok\n"},
		"values":           {want: "ok\n"},
		"calc":             {formats: []string{"json", "protobuf"}, want: "Result: 5\nResult: 4\n"},
		"echo":             {formats: formats, want: "Result: one two three\n"},
		"message":          {want: "Sending \"message\"... Result: \"message\"\n"},
		"keepalive":        {want: "Sending \"one\"... Result: \"one\"\nPing-Pong time...\nSending \"two\"... Result: \"two\"\n"},
		"hello_world":      {want: "Hello world\nHello incredible world\n"},
		"rpc":              {want: "Result: \"Hello world\"\n"},
		"server_streaming": {formats: []string{"json", "mus"}, want: "Hello\nincredible\nworld\n"},
	} {
		for _, format := range append([]string{""}, test.formats...) {
			t.Run(service+"/"+format, func(t *testing.T) {
				server := startServer(t, "--service", service, "--format", format)
				out, errs, exit := call("--connect", server.addr, "--service", service, "--format", format)
				if exit != 0 || errs != "" || out != test.want {
					t.Errorf("exit %d, printed %q, complained %q", exit, out, errs)
				}
			})
		}
	}
}

func TestKilledServerFailsTheClient(t *testing.T) {
	server := startServer(t)
	client := start(t, "client", "--connect", server.addr, "--scenario", "killed")
	client.expectLine(t, "waiting")
	server.stop()
	// A reset, if the server had not read the command yet.
	if line := client.line(t); !matches(line, "failed: ...") {
		t.Errorf("printed %q", line)
	}
	client.expectLine(t, "ok")
	if exit := client.wait(t); exit != 0 {
		t.Errorf("exit %d", exit)
	}
}

func TestServerTellsWhyAConnectionWasLost(t *testing.T) {
	for _, test := range []struct{ format, scenario, want string }{
		{"json", "streaming", "lost: EOF"},
		{"json", "failing", "lost: the command failed, as it was asked to"},
		{"json", "oversize", "lost: jsoncodec: read body: length 4194352 is over the limit of 4194304"},
		{"mus", "oversize", "lost: muscodec: length 4194304 is over the limit of 4194240"},
		{"protobuf", "oversize", "lost: protobufcodec: read body: length 4194309 is over the limit of 4194304"},
	} {
		t.Run(test.format+"/"+test.scenario, func(t *testing.T) {
			server := startServer(t, "--format", test.format)
			call("--connect", server.addr, "--format", test.format, "--scenario", test.scenario)
			server.expectLine(t, test.want)
		})
	}
}

func TestReceiveTimeoutEndsASilentConnection(t *testing.T) {
	server := startServer(t, "--receive-timeout-ms", "50")
	client := start(t, "client", "--connect", server.addr, "--scenario", "killed")
	client.expectLine(t, "waiting")
	if line := server.line(t); !strings.HasPrefix(line, "lost: ") || !strings.Contains(line, "timeout") {
		t.Errorf("printed %q", line)
	}
	client.expectLine(t, "failed: EOF")
}

func TestReceiveTimeoutIsOutlastedByPings(t *testing.T) {
	server := startServer(t, "--receive-timeout-ms", "250")
	out, errs, exit := call("--connect", server.addr, "--scenario", "keepalive", "--interval-ms", "100", "--pings", "6")
	if exit != 0 || errs != "" || out != "ok\n" {
		t.Errorf("exit %d, printed %q, complained %q", exit, out, errs)
	}
	client := start(t, "client", "--connect", server.addr, "--scenario", "silent")
	client.expectLine(t, "waiting")
	client.expectLine(t, "failed: EOF")
	client.expectLine(t, "ok")
}

func TestReconnectIsAnsweredByTheNextServer(t *testing.T) {
	server := startServer(t, "--service", "reconnect")
	client := start(t, "client", "--service", "reconnect", "--connect", server.addr, "--seconds", "1")
	sent := "Sending \"message\"... Result: \"message\""
	client.expectLine(t, sent)
	server.stop()
	if exit := server.wait(t); exit != 0 {
		t.Fatalf("exit %d", exit)
	}
	startServer(t, "--service", "reconnect", "--listen", server.addr)
	client.expectLine(t, sent)
	if exit := client.wait(t); exit != 0 {
		t.Errorf("exit %d", exit)
	}
}

func TestGroupSendsThroughAllItsClientsAndOutlivesTheServer(t *testing.T) {
	server := startServer(t, "--service", "reconnect")
	args := []string{"client", "--service", "reconnect", "--connect", server.addr, "--seconds", "1", "--clients", "4"}
	client := start(t, args...)
	sent := "Sending \"message\"... Result: \"message\""
	client.expectLine(t, sent)
	server.stop()
	if exit := server.wait(t); exit != 0 {
		t.Fatalf("exit %d", exit)
	}
	for range 4 {
		if line := server.line(t); !strings.HasPrefix(line, "lost: ") {
			t.Errorf("printed %q", line)
		}
	}
	startServer(t, "--service", "reconnect", "--listen", server.addr)
	client.expectLine(t, sent)
	if exit := client.wait(t); exit != 0 {
		t.Errorf("exit %d", exit)
	}
}

func TestResilientIsRefusedByItsBreakerUntilTheServerIsBack(t *testing.T) {
	server := startServer(t, "--service", "resilient")
	client := start(t, "client", "--service", "resilient", "--connect", server.addr)
	client.expectLine(t, "Sending \"message1\"... Result: \"message1\"")
	server.stop()
	if exit := server.wait(t); exit != 0 {
		t.Fatalf("exit %d", exit)
	}
	for _, pattern := range []string{
		"Sending \"message2\"... Error: ...",
		"Circuit breaker state changed to: Open",
		"Sending \"message3\"... Error: ...",
		"Sending \"message4\"... Error: not allowed",
		// Nobody serves for one trial.
		"Circuit breaker state changed to: HalfOpen",
		"Circuit breaker state changed to: Open",
	} {
		if line := client.line(t); !matches(line, pattern) {
			t.Errorf("printed %q, want %q", line, pattern)
		}
	}
	startServer(t, "--service", "resilient", "--listen", server.addr)
	for _, line := range []string{
		"Circuit breaker state changed to: HalfOpen",
		"Circuit breaker state changed to: Closed",
		"Sending \"message5\"... Result: \"message5\"",
	} {
		client.expectLine(t, line)
	}
	if exit := client.wait(t); exit != 0 {
		t.Errorf("exit %d", exit)
	}
}

func TestServerRecordsWhatItExecutes(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	server := startServer(t, "--service", "message", "--record", record)
	for _, text := range []string{"one", "two words"} {
		if _, errs, exit := call("--connect", server.addr, "--service", "message", "--text", text); exit != 0 {
			t.Errorf("exit %d, complained %q", exit, errs)
		}
	}
	if got, err := os.ReadFile(record); string(got) != "one\ntwo\n" || err != nil {
		t.Errorf("recorded %q, error %v", got, err)
	}
}

func TestClientAndServerWithTheSameInfoAgree(t *testing.T) {
	server := startServer(t, "--info", "sample/v2")
	if out, errs, exit := call("--connect", server.addr, "--info", "sample/v2"); exit != 0 {
		t.Errorf("exit %d, printed %q, complained %q", exit, out, errs)
	}
}

func TestServerEndsWhenStdinCloses(t *testing.T) {
	server := start(t, "server", "--until-stdin-closes")
	server.line(t)
	server.stdin.Close()
	if exit := server.wait(t); exit != 0 {
		t.Errorf("exit %d", exit)
	}
}

func TestScenarioThatDoesNotGoAsExpectedExitsWith1(t *testing.T) {
	server := startServer(t)
	out, errs, exit := call("--connect", server.addr, "--scenario", "wrong_info", "--info", "default")
	if exit != 1 || out != "" || !strings.HasPrefix(errs, "peer: wrong_info: ") {
		t.Errorf("exit %d, printed %q, complained %q", exit, out, errs)
	}
}

func TestBadArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		nil,
		{"sing"},
		{"server", "--service", "opera"},
		{"server", "--format", "xml"},
		{"server", "--service", "values", "--format", "mus"},
		{"server", "extra"},
		{"client"},
		{"client", "--connect", "127.0.0.1:1", "--service", "opera"},
		{"client", "--connect", "127.0.0.1:1", "--scenario", "tragedy"},
	} {
		var errs bytes.Buffer
		if exit := run(context.Background(), args, nil, io.Discard, &errs); exit != 1 || errs.Len() == 0 {
			t.Errorf("%v: exit %d, complained %q", args, exit, errs.String())
		}
	}
}

// matches compares lines; one that ends in "..." stands for any that begins so
// and goes on.
func matches(text, pattern string) bool {
	lines, patterns := strings.Split(text, "\n"), strings.Split(pattern, "\n")
	if len(lines) != len(patterns) {
		return false
	}
	for i, want := range patterns {
		prefix, open := strings.CutSuffix(want, "...")
		if lines[i] != want && !(open && strings.HasPrefix(lines[i], prefix) && lines[i] != prefix) {
			return false
		}
	}
	return true
}

// call runs a client to its end.
func call(args ...string) (out, errs string, exit int) {
	var stdout, stderr bytes.Buffer
	exit = run(context.Background(), append([]string{"client"}, args...), nil, &stdout, &stderr)
	return stdout.String(), stderr.String(), exit
}

// process is a run in the background.
type process struct {
	addr  string // of a server
	stdin io.Closer
	stop  func()
	lines chan string
	exit  chan int
}

func startServer(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, append([]string{"server"}, args...)...)
	line := p.line(t)
	addr, ok := strings.CutPrefix(line, "listening on ")
	if !ok {
		t.Fatalf("printed %q", line)
	}
	p.addr = addr
	return p
}

func start(t *testing.T, args ...string) *process {
	ctx, stop := context.WithCancel(context.Background())
	stdin, stdinEnd := io.Pipe()
	stdoutEnd, stdout := io.Pipe()
	p := &process{
		stdin: stdinEnd,
		stop:  stop,
		lines: make(chan string, 1000),
		exit:  make(chan int, 1),
	}
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		p.exit <- run(ctx, args, stdin, stdout, io.Discard)
		stdout.Close()
	}()
	go func() {
		defer wg.Done()
		for scanner := bufio.NewScanner(stdoutEnd); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		stop()
		stdinEnd.Close()
		if args[0] == "server" {
			wg.Wait()
		}
	})
	return p
}

func (p *process) line(t *testing.T) string {
	t.Helper()
	select {
	case line := <-p.lines:
		return line
	case <-time.After(10 * time.Second):
		t.Fatal("printed nothing")
		return ""
	}
}

func (p *process) expectLine(t *testing.T, want string) {
	t.Helper()
	if line := p.line(t); line != want {
		t.Errorf("printed %q, want %q", line, want)
	}
}

func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case exit := <-p.exit:
		return exit
	case <-time.After(10 * time.Second):
		t.Fatal("did not end")
		return -1
	}
}
