package main

import (
	"fmt"

	"github.com/cmd-stream/cmd-stream-go/core"
	"github.com/cmd-stream/cmd-stream-go/sender"

	"interop/examples/calc"
	"interop/examples/echo"
	"interop/examples/helloworld"
	"interop/examples/message"
	"interop/examples/rpc"
	"interop/examples/serverstreaming"
)

// callCalc prints what the calc example prints.
func callCalc(d dialer[calc.Calculator]) error {
	return d.with(func(l link[calc.Calculator]) error {
		for _, cmd := range []core.Cmd[calc.Calculator]{
			calc.AddCmd{A: 2, B: 3},
			calc.SubCmd{A: 8, B: 4},
		} {
			ctx, cancel := callContext()
			defer cancel()
			result, err := l.sender.Send(ctx, cmd)
			if err != nil {
				return err
			}
			fmt.Fprintf(d.out, "Result: %d\n", result)
		}
		return nil
	})
}

// callEcho prints what the echo example prints. It uses the client without a
// sender, as that example does.
func callEcho(d dialer[echo.Receiver]) error {
	return d.with(func(l link[echo.Receiver]) error {
		results := make(chan core.AsyncResult, 1)
		if _, _, err := l.client.Send(echo.EchoCmd(d.textOr("one two three")), results); err != nil {
			return err
		}
		answer, err := receive(results)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "Result: %s\n", answer.Result)
		return nil
	})
}

// callMessage prints what the tls example prints.
func callMessage(d dialer[message.Receiver]) error {
	return d.with(func(l link[message.Receiver]) error {
		text := d.textOr("message")
		fmt.Fprintf(d.out, "Sending %q... ", text)
		ctx, cancel := callContext()
		defer cancel()
		result, err := l.sender.Send(ctx, message.EchoCmd(text))
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "Result: %q\n", result)
		return nil
	})
}

// callHelloWorld prints what the hello world example prints.
func callHelloWorld(d dialer[helloworld.Greeter]) error {
	return d.with(func(l link[helloworld.Greeter]) error {
		name := d.textOr("world")
		for _, cmd := range []core.Cmd[helloworld.Greeter]{
			helloworld.SayHelloCmd(name),
			helloworld.SayFancyHelloCmd(name),
		} {
			ctx, cancel := callContext()
			defer cancel()
			greeting, err := l.sender.Send(ctx, cmd)
			if err != nil {
				return err
			}
			fmt.Fprintln(d.out, greeting)
		}
		return nil
	})
}

// callRPC prints what the rpc example prints.
func callRPC(d dialer[helloworld.Greeter]) error {
	return d.with(func(l link[helloworld.Greeter]) error {
		ctx, cancel := callContext()
		defer cancel()
		greeting, err := rpc.NewGreeterService(l.sender).SayHello(ctx, d.textOr("world"))
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "Result: %q\n", greeting)
		return nil
	})
}

// callGreeter prints what the server streaming example prints.
func callGreeter(d dialer[serverstreaming.Greeter]) error {
	return d.with(func(l link[serverstreaming.Greeter]) (err error) {
		ctx, cancel := callContext()
		defer cancel()
		cmd := serverstreaming.SayFancyHelloMultiCmd(d.textOr("world"))
		sendErr := l.sender.SendMulti(ctx, cmd, 3, sender.ResultHandlerFn(
			func(result core.Result, resultErr error) error {
				if err = resultErr; err == nil {
					fmt.Fprintln(d.out, result.(serverstreaming.Greeting).Message)
				}
				return err
			}))
		if sendErr != nil {
			return sendErr
		}
		return err
	})
}
