package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cmd-stream/cmd-stream-go/client"
	"github.com/cmd-stream/cmd-stream-go/core"
	ccln "github.com/cmd-stream/cmd-stream-go/core/cln"

	"interop/jobs"
)

// jobDialer and jobLink save the scenarios the type parameter.
type (
	jobDialer = dialer[*jobs.Receiver]
	jobLink   = link[*jobs.Receiver]
)

// jobScenarios are what a client can do with the service jobs.
var jobScenarios = map[string]func(jobDialer) error{
	"one_way":    oneWay,
	"late":       late,
	"late_last":  lateLast,
	"late_many":  lateMany,
	"problems":   problems,
	"wrong_info": wrongInfo[*jobs.Receiver],
}

// callJobs runs a scenario.
func callJobs(d jobDialer) error { return play(d, jobScenarios, "one_way") }

// oneWay sends commands that are not answered, and forgets every other one; then
// a call on the same connection tells that all have arrived.
func oneWay(d jobDialer) error {
	const count = 100
	var (
		results  = make(chan core.AsyncResult, count)
		callback = func(seq core.Seq, result core.Result) {
			results <- core.AsyncResult{Seq: seq, Result: result}
		}
	)
	return d.with(func(l jobLink) error {
		var texts []string
		for i := range count {
			text := fmt.Sprintf("text %d", i)
			texts = append(texts, text)
			seq, _, err := l.client.Send(jobs.LogCmd{Text: text}, results)
			if err != nil {
				return fmt.Errorf("command %d: %w", i, err)
			}
			if i%2 == 0 {
				l.client.Forget(seq)
			}
		}
		// This one fails, which is not answered either.
		if _, _, err := l.client.Send(jobs.LogCmd{}, results); err != nil {
			return fmt.Errorf("the failing command: %w", err)
		}
		slices.Sort(texts)
		want := jobs.LogsResult{Texts: strings.Join(texts, ",")}
		for _, call := range []jobCall{{jobs.LogsCmd{Count: count}, want}, nothingIsLogged} {
			if err := call.check(l); err != nil {
				return err
			}
		}
		if len(results) != 0 {
			return unexpected("what came for a command that is not answered", <-results, "nothing")
		}
		return nil
	}, client.WithCore(ccln.WithUnexpectedResultCallback(callback)))
}

// late starts jobs with no result, one, and several, and then makes a call.
func late(d jobDialer) error {
	return d.with(func(l jobLink) error {
		if err := runJobs(l, 16, few); err != nil {
			return err
		}
		return nothingIsLogged.check(l)
	})
}

// lateLast is late without the call.
func lateLast(d jobDialer) error {
	return d.with(func(l jobLink) error { return runJobs(l, 16, few) })
}

// lateMany starts two jobs with many results each, and then makes a call.
func lateMany(d jobDialer) error {
	return d.with(func(l jobLink) error {
		if err := runJobs(l, 2, func(int64) int64 { return 5000 }); err != nil {
			return err
		}
		return nothingIsLogged.check(l)
	})
}

// few is how many results a job has.
func few(job int64) int64 { return job % 5 }

// runJobs starts jobs that send nothing before all have been started.
func runJobs(l jobLink, together int64, countOf func(job int64) int64) error {
	results := make([]chan core.AsyncResult, together)
	for job := range together {
		cmd := jobs.JobCmd{Job: job, Results: countOf(job), Together: together}
		results[job] = make(chan core.AsyncResult, cmd.Results+1)
		if _, _, err := l.client.Send(cmd, results[job]); err != nil {
			return fmt.Errorf("job %d: %w", job, err)
		}
	}
	for job := range together {
		if err := checkJob(results[job], job, countOf(job)); err != nil {
			return err
		}
	}
	return nil
}

// checkJob checks that the results of a job come in order, and nothing else.
func checkJob(results <-chan core.AsyncResult, job, count int64) error {
	var want []core.Result
	for number := range count {
		want = append(want, jobs.JobResult{Job: job, Number: number, Last: number+1 == count})
	}
	if count == 0 {
		want = []core.Result{jobs.NoLastReply}
	}
	for _, want := range want {
		got, err := receive(results)
		if err != nil {
			return fmt.Errorf("job %d: %w", job, err)
		}
		if got.Result != want {
			return unexpected(fmt.Sprintf("a result of job %d", job), got.Result, want)
		}
	}
	if len(results) != 0 {
		return unexpected(fmt.Sprintf("what follows the last result of job %d", job), <-results, "nothing")
	}
	return nil
}

// problems makes calls that fail. To the library a problem is a result like any
// other, so the connection goes on.
func problems(d jobDialer) error {
	return d.with(func(l jobLink) error {
		for _, problem := range []jobs.Problem{
			{Code: 1000, Message: "no"},
			{},
			{Code: 1, Message: "héllo, 世界 🌍"},
			{Code: 127}, {Code: 128},
			{Code: math.MaxUint32, Message: "<a&b>\"\\/\n\u2028"},
			{Code: 1001, Message: strings.Repeat("x", 100_000)},
		} {
			if err := (jobCall{jobs.RefuseCmd(problem), problem}).check(l); err != nil {
				return err
			}
		}
		return nothingIsLogged.check(l)
	})
}

// nothingIsLogged is a call that is answered at once.
var nothingIsLogged = jobCall{jobs.LogsCmd{}, jobs.LogsResult{}}

// jobCall is a command and its only result.
type jobCall struct {
	cmd  core.Cmd[*jobs.Receiver]
	want core.Result
}

func (c jobCall) check(l jobLink) error {
	ctx, cancel := callContext()
	defer cancel()
	got, err := l.sender.Send(ctx, c.cmd)
	if err == nil && got != c.want {
		err = unexpected("the result", got, c.want)
	}
	if err != nil {
		err = fmt.Errorf("%.100s: %w", fmt.Sprintf("%#v", c.cmd), err)
	}
	return err
}
