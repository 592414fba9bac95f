package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cmd-stream/cmd-stream-go/core"
	com "github.com/mus-format/common-go"
	"github.com/mus-format/mus-stream-go"
	"github.com/mus-format/mus-stream-go/typed"
	"github.com/mus-format/mus-stream-go/varint"

	"interop/format"
	"interop/jsoncodec"
	"interop/messages"
	"interop/muscodec"
	"interop/protobufcodec"
	"interop/sample"
	"interop/suite"
	"interop/tagged"
)

// desk is the receiver of the suite's commands.
type desk struct {
	delay func()
}

type (
	// echoCmd is sample.EchoCmd, answered when the desk lets it.
	echoCmd sample.EchoCmd
	// streamCmd is sample.StreamCmd.
	streamCmd sample.StreamCmd
	// burnCmd computes for so many milliseconds.
	burnCmd struct{ Millis int }
)

func (c echoCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, d desk, proxy core.Proxy) error {
	d.delay()
	_, err := proxy.Send(seq, sample.EchoResult(c))
	return err
}

func (c streamCmd) Exec(ctx context.Context, seq core.Seq, at time.Time, _ desk, proxy core.Proxy) error {
	return sample.StreamCmd(c).Exec(ctx, seq, at, sample.Receiver{}, proxy)
}

func (c burnCmd) Exec(_ context.Context, seq core.Seq, _ time.Time, _ desk, proxy core.Proxy) error {
	suite.Burn(c.Millis)
	_, err := proxy.Send(seq, sample.DelayResult{ID: c.Millis})
	return err
}

// suiteFormats returns what the formats know of the service.
func suiteFormats() format.Service[desk] {
	return format.Service[desk]{
		JSON: jsoncodec.Types[desk]{
			Commands: []core.Cmd[desk]{echoCmd{}, streamCmd{}, burnCmd{}},
			Results:  sample.JSON().Results,
		},
		MUS: muscodec.Serializers[desk]{Commands: suiteMUS{}, Results: sample.MUS().Results},
		Protobuf: protobufcodec.Types{
			Commands: []tagged.Type{
				protobufcodec.Of(
					func(v echoCmd, m *messages.EchoCmd) {
						m.Bool, m.Int64, m.String_, m.Float64 = v.Bool, v.Int64, v.String, v.Float64
					},
					func(m *messages.EchoCmd) echoCmd {
						return echoCmd{Bool: m.Bool, Int64: m.Int64, String: m.String_, Float64: m.Float64}
					}),
				protobufcodec.Of(
					func(v streamCmd, m *messages.StreamCmd) { m.Init, m.Count = int64(v.Init), int64(v.Count) },
					func(m *messages.StreamCmd) streamCmd { return streamCmd{Init: int(m.Init), Count: int(m.Count)} }),
				protobufcodec.Of(
					func(v burnCmd, m *messages.DelayCmd) { m.Id, m.DelayMs = 0, int64(v.Millis) },
					func(m *messages.DelayCmd) burnCmd { return burnCmd{Millis: int(m.DelayMs)} }),
			},
			Results: sample.Protobuf().Results,
		},
	}
}

// suiteMUS serializes the commands.
type suiteMUS struct{}

const (
	echoDTM com.DTM = iota + 1
	streamDTM
	burnDTM
)

func (suiteMUS) Marshal(cmd core.Cmd[desk], w mus.Writer) (n int, err error) {
	switch v := cmd.(type) {
	case echoCmd:
		return muscodec.MarshalTyped(echoDTM, sample.EchoMUS{}, sample.EchoCmd(v), w)
	case streamCmd:
		return muscodec.MarshalTyped(streamDTM, sample.StreamMUS{}, sample.StreamCmd(v), w)
	case burnCmd:
		return muscodec.MarshalTyped(burnDTM, varint.Int, v.Millis, w)
	}
	return 0, fmt.Errorf("no serializer for %T", cmd)
}

func (suiteMUS) Unmarshal(r mus.Reader) (cmd core.Cmd[desk], n int, err error) {
	dtm, n, err := typed.DTMSer.Unmarshal(r)
	if err != nil {
		return cmd, n, err
	}
	var n1 int
	switch dtm {
	case echoDTM:
		var v sample.EchoCmd
		v, n1, err = sample.EchoMUS{}.Unmarshal(r)
		cmd = echoCmd(v)
	case streamDTM:
		var v sample.StreamCmd
		v, n1, err = sample.StreamMUS{}.Unmarshal(r)
		cmd = streamCmd(v)
	case burnDTM:
		var v burnCmd
		v.Millis, n1, err = varint.Int.Unmarshal(r)
		cmd = v
	default:
		err = com.NewUnexpectedDTMError(dtm)
	}
	return cmd, n + n1, err
}
