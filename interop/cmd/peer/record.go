package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/handler"
	"github.com/cmd-stream/cmd-stream-go/server"
)

// invokerOf returns the invoker of a server. If path is not empty, each command is
// appended to that file before it is executed, a line each, up to its first space.
// There is no buffer, so a line that was written outlives the process. Then the
// command waits for up to 2 ms, so that a server that is killed leaves some behind
// that it has recorded and not answered.
func invokerOf[T any](receiver T, path string) (handler.Invoker[T], error) {
	inner := server.NewInvoker(receiver)
	if path == "" {
		return inner, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	record := func(ctx context.Context, seq core.Seq, at time.Time, n int, cmd core.Cmd[T], proxy core.Proxy) error {
		if seq != 0 { // not a ping
			line, _, _ := strings.Cut(fmt.Sprint(cmd), " ")
			if _, err := file.WriteString(line + "\n"); err != nil {
				return err
			}
			time.Sleep(rand.N(2 * time.Millisecond))
		}
		return inner.Invoke(ctx, seq, at, n, cmd, proxy)
	}
	return handler.InvokerFn[T](record), nil
}
