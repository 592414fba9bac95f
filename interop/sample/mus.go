package sample

import (
	"fmt"

	"github.com/cmd-stream/cmd-stream-go/core"
	com "github.com/mus-format/common-go"
	"github.com/mus-format/mus-stream-go"
	mapopts "github.com/mus-format/mus-stream-go/options/map"
	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/raw"
	"github.com/mus-format/mus-stream-go/typed"
	"github.com/mus-format/mus-stream-go/varint"

	"interop/muscodec"
)

// The MUS of the sample service: serializers as the generator of the Go library
// would write them, but without Size and Skip, which no codec calls. A validator
// bounds each length; without it, a length alone could end the process.

// MUS returns the serializers of the commands and results.
func MUS() muscodec.Serializers[Receiver] {
	return muscodec.Serializers[Receiver]{Commands: commandMUS{}, Results: resultMUS{}}
}

const (
	// maxString leaves the other fields some room below the limit of package
	// format, 4 MiB.
	maxString = 4<<20 - 64
	// maxCarrier is more than any tracer sends.
	maxCarrier = 64
)

// The tags of the commands.
const (
	echoCmdDTM com.DTM = iota + 1
	streamCmdDTM
	failCmdDTM
	delayCmdDTM
	traceCmdDTM
)

var (
	stringMUS = muscodec.StringAtMost(maxString)
	mapMUS    = ord.NewValidMapSer[string, string](stringMUS, stringMUS,
		mapopts.WithLenValidator[string, string](muscodec.AtMost(maxCarrier)))
	carrierMUS = ord.NewPtrSer[map[string]string](mapMUS)
)

type commandMUS struct{}

func (commandMUS) Marshal(cmd core.Cmd[Receiver], w mus.Writer) (n int, err error) {
	switch v := cmd.(type) {
	case EchoCmd:
		return muscodec.MarshalTyped(echoCmdDTM, echoMUS{}, v, w)
	case StreamCmd:
		return muscodec.MarshalTyped(streamCmdDTM, streamCmdMUS{}, v, w)
	case FailCmd:
		return typed.DTMSer.Marshal(failCmdDTM, w)
	case DelayCmd:
		return muscodec.MarshalTyped(delayCmdDTM, delayCmdMUS{}, v, w)
	case TraceCmd[EchoCmd]:
		return muscodec.MarshalTyped(traceCmdDTM, traceCmdMUS{}, v, w)
	}
	return 0, fmt.Errorf("no serializer for %T", cmd)
}

func (commandMUS) Unmarshal(r mus.Reader) (cmd core.Cmd[Receiver], n int, err error) {
	dtm, n, err := typed.DTMSer.Unmarshal(r)
	if err != nil {
		return cmd, n, err
	}
	var n1 int
	switch dtm {
	case echoCmdDTM:
		cmd, n1, err = echoMUS{}.Unmarshal(r)
	case streamCmdDTM:
		cmd, n1, err = streamCmdMUS{}.Unmarshal(r)
	case failCmdDTM:
		cmd = FailCmd{}
	case delayCmdDTM:
		cmd, n1, err = delayCmdMUS{}.Unmarshal(r)
	case traceCmdDTM:
		cmd, n1, err = traceCmdMUS{}.Unmarshal(r)
	default:
		err = com.NewUnexpectedDTMError(dtm)
	}
	return cmd, n + n1, err
}

// EchoMUS and StreamMUS serialize the fields of EchoCmd and StreamCmd, without a
// tag, for services that have these commands with another receiver.
type (
	EchoMUS   = echoMUS
	StreamMUS = streamCmdMUS
)

// echoMUS is for EchoCmd and EchoResult.
type echoMUS struct{}

func (echoMUS) Marshal(v EchoCmd, w mus.Writer) (n int, err error) {
	if n, err = ord.Bool.Marshal(v.Bool, w); err != nil {
		return n, err
	}
	var n1 int
	n1, err = varint.Int64.Marshal(v.Int64, w)
	n += n1
	if err != nil {
		return n, err
	}
	n1, err = stringMUS.Marshal(v.String, w)
	n += n1
	if err != nil {
		return n, err
	}
	n1, err = raw.Float64.Marshal(v.Float64, w)
	return n + n1, err
}

func (echoMUS) Unmarshal(r mus.Reader) (v EchoCmd, n int, err error) {
	if v.Bool, n, err = ord.Bool.Unmarshal(r); err != nil {
		return v, n, err
	}
	var n1 int
	v.Int64, n1, err = varint.Int64.Unmarshal(r)
	n += n1
	if err != nil {
		return v, n, err
	}
	v.String, n1, err = stringMUS.Unmarshal(r)
	n += n1
	if err != nil {
		return v, n, err
	}
	v.Float64, n1, err = raw.Float64.Unmarshal(r)
	return v, n + n1, err
}

type streamCmdMUS struct{}

func (streamCmdMUS) Marshal(v StreamCmd, w mus.Writer) (n int, err error) {
	return marshalInts(v.Init, v.Count, w)
}

func (streamCmdMUS) Unmarshal(r mus.Reader) (v StreamCmd, n int, err error) {
	v.Init, v.Count, n, err = unmarshalInts(r)
	return v, n, err
}

type delayCmdMUS struct{}

func (delayCmdMUS) Marshal(v DelayCmd, w mus.Writer) (n int, err error) {
	return marshalInts(v.ID, v.DelayMS, w)
}

func (delayCmdMUS) Unmarshal(r mus.Reader) (v DelayCmd, n int, err error) {
	v.ID, v.DelayMS, n, err = unmarshalInts(r)
	return v, n, err
}

func marshalInts(a, b int, w mus.Writer) (n int, err error) {
	if n, err = varint.Int.Marshal(a, w); err != nil {
		return n, err
	}
	n1, err := varint.Int.Marshal(b, w)
	return n + n1, err
}

func unmarshalInts(r mus.Reader) (a, b, n int, err error) {
	if a, n, err = varint.Int.Unmarshal(r); err != nil {
		return a, b, n, err
	}
	b, n1, err := varint.Int.Unmarshal(r)
	return a, b, n + n1, err
}

type traceCmdMUS struct{}

func (traceCmdMUS) Marshal(v TraceCmd[EchoCmd], w mus.Writer) (n int, err error) {
	if n, err = carrierMUS.Marshal(v.MapCarrier, w); err != nil {
		return n, err
	}
	n1, err := echoMUS{}.Marshal(v.Cmd, w)
	return n + n1, err
}

func (traceCmdMUS) Unmarshal(r mus.Reader) (v TraceCmd[EchoCmd], n int, err error) {
	if v.MapCarrier, n, err = carrierMUS.Unmarshal(r); err != nil {
		return v, n, err
	}
	var n1 int
	v.Cmd, n1, err = echoMUS{}.Unmarshal(r)
	return v, n + n1, err
}
