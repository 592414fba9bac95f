// Package orders is a service whose messages have all that people put into
// messages: oneof, maps, enums, optional fields, well-known types, and types of
// another package. It sends them back. The messages are those of an example of the
// other implementation, generated with protoc-gen-go v1.36.12.
package orders

//go:generate protoc -I ../../examples/protobuf_orders --go_out=.. --go_opt=module=interop shared.proto orders.proto

import (
	"context"
	"math"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"interop/format"
	"interop/orders/shared"
	"interop/protobufcodec"
	"interop/tagged"
)

// Receiver is what the commands run on. It has nothing to do.
type Receiver struct{}

// PlaceCmd asks for its order back.
type PlaceCmd struct{ Order *Place }

// Exec sends the order back.
func (c PlaceCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, PlacedResult(c))
	return err
}

// WaitCmd is a message that is not of this package. It asks for it back.
type WaitCmd struct{ Time *durationpb.Duration }

// Exec sends the duration back. It does not wait.
func (c WaitCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ Receiver, proxy core.Proxy) error {
	_, err := proxy.Send(seq, WaitedResult(c))
	return err
}

// PlacedResult answers a PlaceCmd.
type PlacedResult struct{ Order *Place }

// LastOne is true: one result answers a command.
func (r PlacedResult) LastOne() bool { return true }

// WaitedResult answers a WaitCmd.
type WaitedResult struct{ Time *durationpb.Duration }

// LastOne is true: one result answers a command.
func (r WaitedResult) LastOne() bool { return true }

// Formats returns what the formats know of the service, which is about Protobuf
// alone.
func Formats() format.Service[Receiver] {
	return format.Service[Receiver]{Protobuf: protobufcodec.Types{
		Commands: []tagged.Type{
			protobufcodec.Of(
				func(v PlaceCmd, m *Place) { overwrite(m, v.Order) },
				func(m *Place) PlaceCmd { return PlaceCmd{proto.CloneOf(m)} }),
			protobufcodec.Of(
				func(v WaitCmd, m *durationpb.Duration) { overwrite(m, v.Time) },
				func(m *durationpb.Duration) WaitCmd { return WaitCmd{proto.CloneOf(m)} }),
		},
		Results: []tagged.Type{
			protobufcodec.Of(
				func(v PlacedResult, m *Placed) { m.Order = v.Order },
				func(m *Placed) PlacedResult { return PlacedResult{proto.CloneOf(m.Order)} }),
			protobufcodec.Of(
				func(v WaitedResult, m *durationpb.Duration) { overwrite(m, v.Time) },
				func(m *durationpb.Duration) WaitedResult { return WaitedResult{proto.CloneOf(m)} }),
		},
	}}
}

func overwrite(into, from proto.Message) {
	proto.Reset(into)
	proto.Merge(into, from)
}

// Edges are orders that implementations tend to get wrong. None has a field that
// is -0 without being optional: not every implementation writes it.
func Edges() []*Place {
	extra := &structpb.Struct{Fields: map[string]*structpb.Value{
		"null":   structpb.NewNullValue(),
		"number": structpb.NewNumberValue(1.5),
		"list": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
			structpb.NewBoolValue(true), structpb.NewStringValue(""),
		}}),
		"struct": structpb.NewStructValue(&structpb.Struct{}),
	}}
	return []*Place{
		{},
		{Payment: &Place_Card{Card: &Card{}}},
		{Payment: &Place_Card{Card: &Card{Number: "4111"}}},
		{Payment: &Place_Cash{Cash: &shared.Money{Cents: math.MinInt64}}},
		{Payment: &Place_Voucher{}},
		{Payment: &Place_Voucher{Voucher: "语"}},
		{Id: "A-1", Total: &shared.Money{Currency: "EUR", Cents: math.MaxInt64}},
		{Total: &shared.Money{}},
		{Quantities: map[string]uint32{"": 0, "kettle": 1, "语": math.MaxUint32}},
		{Lines: map[int64]*Line{
			math.MinInt64: {}, -1: {Text: "a"}, 0: {Codes: []uint32{0, math.MaxUint32}}, math.MaxInt64: {},
		}},
		{Priority: Priority_PRIORITY_HIGH},
		{Priority: 7, History: []Priority{0, 1, 2, 7, -1, math.MinInt32}},
		{Discount: proto.Int64(0), Tip: proto.Float64(0)},
		{Discount: proto.Int64(-1), Tip: proto.Float64(math.Copysign(0, -1))},
		{Tip: proto.Float64(math.Inf(-1)), Weight: math.SmallestNonzeroFloat64},
		{Signature: []byte{0, 0xff, 0x80}},
		{PlacedAt: &timestamppb.Timestamp{Seconds: -62135596800, Nanos: 999999999}, Patience: &durationpb.Duration{Seconds: -1, Nanos: -5}},
		{PlacedAt: &timestamppb.Timestamp{}, Patience: &durationpb.Duration{}},
		{Note: wrapperspb.String("")},
		{Note: wrapperspb.String("a note"), Extra: extra},
	}
}
