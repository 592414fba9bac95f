package main

import (
	"fmt"

	"github.com/cmd-stream/cmd-stream-go/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"interop/orders"
)

// callOrders makes one call after another, with orders that implementations tend
// to get wrong, and one with a message of another package.
func callOrders(d dialer[orders.Receiver]) error {
	return d.with(func(l link[orders.Receiver]) error {
		for i, order := range orders.Edges() {
			reply, err := sendOrders(l, orders.PlaceCmd{Order: order})
			if err != nil {
				return fmt.Errorf("order %d: %w", i, err)
			}
			if result, ok := reply.(orders.PlacedResult); !ok || !proto.Equal(result.Order, order) {
				return unexpected("the reply", reply, order)
			}
		}
		wait := &durationpb.Duration{Seconds: 1, Nanos: 5}
		reply, err := sendOrders(l, orders.WaitCmd{Time: wait})
		if err != nil {
			return err
		}
		if result, ok := reply.(orders.WaitedResult); !ok || !proto.Equal(result.Time, wait) {
			return unexpected("the reply", reply, wait)
		}
		fmt.Fprintln(d.out, "ok")
		return nil
	})
}

func sendOrders(l link[orders.Receiver], cmd core.Cmd[orders.Receiver]) (core.Result, error) {
	ctx, cancel := callContext()
	defer cancel()
	return l.sender.Send(ctx, cmd)
}
