package sample

import (
	"fmt"

	"github.com/cmd-stream/cmd-stream-go/core"
	com "github.com/mus-format/common-go"
	"github.com/mus-format/mus-stream-go"
	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/typed"
	"github.com/mus-format/mus-stream-go/varint"

	"interop/muscodec"
)

// The tags of the results.
const (
	echoResultDTM com.DTM = iota + 1
	streamResultDTM
	delayResultDTM
)

type resultMUS struct{}

func (resultMUS) Marshal(result core.Result, w mus.Writer) (n int, err error) {
	switch v := result.(type) {
	case EchoResult:
		return muscodec.MarshalTyped(echoResultDTM, echoMUS{}, EchoCmd(v), w)
	case StreamResult:
		return muscodec.MarshalTyped(streamResultDTM, streamResultMUS{}, v, w)
	case DelayResult:
		return muscodec.MarshalTyped(delayResultDTM, varint.Int, v.ID, w)
	}
	return 0, fmt.Errorf("no serializer for %T", result)
}

func (resultMUS) Unmarshal(r mus.Reader) (result core.Result, n int, err error) {
	dtm, n, err := typed.DTMSer.Unmarshal(r)
	if err != nil {
		return result, n, err
	}
	var n1 int
	switch dtm {
	case echoResultDTM:
		var v EchoCmd
		v, n1, err = echoMUS{}.Unmarshal(r)
		result = EchoResult(v)
	case streamResultDTM:
		result, n1, err = streamResultMUS{}.Unmarshal(r)
	case delayResultDTM:
		var v DelayResult
		v.ID, n1, err = varint.Int.Unmarshal(r)
		result = v
	default:
		err = com.NewUnexpectedDTMError(dtm)
	}
	return result, n + n1, err
}

type streamResultMUS struct{}

func (streamResultMUS) Marshal(v StreamResult, w mus.Writer) (n int, err error) {
	if n, err = varint.Int.Marshal(v.Value, w); err != nil {
		return n, err
	}
	n1, err := ord.Bool.Marshal(v.Last, w)
	return n + n1, err
}

func (streamResultMUS) Unmarshal(r mus.Reader) (v StreamResult, n int, err error) {
	if v.Value, n, err = varint.Int.Unmarshal(r); err != nil {
		return v, n, err
	}
	var n1 int
	v.Last, n1, err = ord.Bool.Unmarshal(r)
	return v, n + n1, err
}
