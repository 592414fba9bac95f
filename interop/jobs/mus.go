package jobs

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

// MUS returns the serializers of the commands and results.
func MUS() muscodec.Serializers[*Receiver] {
	return muscodec.Serializers[*Receiver]{Commands: commandMUS{}, Results: resultMUS{}}
}

// The tags of the commands.
const (
	logCmdDTM com.DTM = iota
	logsCmdDTM
	jobCmdDTM
	refuseCmdDTM
)

// The tags of the results.
const (
	logsResultDTM com.DTM = iota
	jobResultDTM
	problemDTM
)

// maxString leaves the other fields some room below the limit of package
// format, 4 MiB.
const maxString = 4<<20 - 64

var stringMUS = muscodec.StringAtMost(maxString)

type commandMUS struct{}

func (commandMUS) Marshal(cmd core.Cmd[*Receiver], w mus.Writer) (n int, err error) {
	switch v := cmd.(type) {
	case LogCmd:
		return muscodec.MarshalTyped(logCmdDTM, stringMUS, v.Text, w)
	case LogsCmd:
		return muscodec.MarshalTyped(logsCmdDTM, varint.Int64, v.Count, w)
	case JobCmd:
		return muscodec.MarshalTyped(jobCmdDTM, jobCmdMUS{}, v, w)
	case RefuseCmd:
		return muscodec.MarshalTyped(refuseCmdDTM, problemMUS{}, Problem(v), w)
	}
	return 0, fmt.Errorf("no serializer for %T", cmd)
}

func (commandMUS) Unmarshal(r mus.Reader) (cmd core.Cmd[*Receiver], n int, err error) {
	dtm, n, err := typed.DTMSer.Unmarshal(r)
	if err != nil {
		return cmd, n, err
	}
	var n1 int
	switch dtm {
	case logCmdDTM:
		var v LogCmd
		v.Text, n1, err = stringMUS.Unmarshal(r)
		cmd = v
	case logsCmdDTM:
		var v LogsCmd
		v.Count, n1, err = varint.Int64.Unmarshal(r)
		cmd = v
	case jobCmdDTM:
		cmd, n1, err = jobCmdMUS{}.Unmarshal(r)
	case refuseCmdDTM:
		var v Problem
		v, n1, err = problemMUS{}.Unmarshal(r)
		cmd = RefuseCmd(v)
	default:
		err = com.NewUnexpectedDTMError(dtm)
	}
	return cmd, n + n1, err
}

type resultMUS struct{}

func (resultMUS) Marshal(result core.Result, w mus.Writer) (n int, err error) {
	switch v := result.(type) {
	case LogsResult:
		return muscodec.MarshalTyped(logsResultDTM, stringMUS, v.Texts, w)
	case JobResult:
		return muscodec.MarshalTyped(jobResultDTM, jobResultMUS{}, v, w)
	case Problem:
		return muscodec.MarshalTyped(problemDTM, problemMUS{}, v, w)
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
	case logsResultDTM:
		var v LogsResult
		v.Texts, n1, err = stringMUS.Unmarshal(r)
		result = v
	case jobResultDTM:
		result, n1, err = jobResultMUS{}.Unmarshal(r)
	case problemDTM:
		result, n1, err = problemMUS{}.Unmarshal(r)
	default:
		err = com.NewUnexpectedDTMError(dtm)
	}
	return result, n + n1, err
}

type jobCmdMUS struct{}

func (jobCmdMUS) Marshal(v JobCmd, w mus.Writer) (n int, err error) {
	return marshalInts(w, v.Job, v.Results, v.Together)
}

func (jobCmdMUS) Unmarshal(r mus.Reader) (v JobCmd, n int, err error) {
	n, err = unmarshalInts(r, &v.Job, &v.Results, &v.Together)
	return v, n, err
}

type jobResultMUS struct{}

func (jobResultMUS) Marshal(v JobResult, w mus.Writer) (n int, err error) {
	if n, err = marshalInts(w, v.Job, v.Number); err != nil {
		return n, err
	}
	n1, err := ord.Bool.Marshal(v.Last, w)
	return n + n1, err
}

func (jobResultMUS) Unmarshal(r mus.Reader) (v JobResult, n int, err error) {
	if n, err = unmarshalInts(r, &v.Job, &v.Number); err != nil {
		return v, n, err
	}
	var n1 int
	v.Last, n1, err = ord.Bool.Unmarshal(r)
	return v, n + n1, err
}

// problemMUS is for Problem and RefuseCmd.
type problemMUS struct{}

func (problemMUS) Marshal(v Problem, w mus.Writer) (n int, err error) {
	if n, err = varint.Uint32.Marshal(v.Code, w); err != nil {
		return n, err
	}
	n1, err := stringMUS.Marshal(v.Message, w)
	return n + n1, err
}

func (problemMUS) Unmarshal(r mus.Reader) (v Problem, n int, err error) {
	if v.Code, n, err = varint.Uint32.Unmarshal(r); err != nil {
		return v, n, err
	}
	var n1 int
	v.Message, n1, err = stringMUS.Unmarshal(r)
	return v, n + n1, err
}

func marshalInts(w mus.Writer, ints ...int64) (n int, err error) {
	for _, v := range ints {
		n1, err := varint.Int64.Marshal(v, w)
		if n += n1; err != nil {
			return n, err
		}
	}
	return n, nil
}

func unmarshalInts(r mus.Reader, ints ...*int64) (n int, err error) {
	for _, v := range ints {
		var n1 int
		*v, n1, err = varint.Int64.Unmarshal(r)
		if n += n1; err != nil {
			return n, err
		}
	}
	return n, nil
}
