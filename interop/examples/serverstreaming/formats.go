package serverstreaming

import (
	"fmt"

	"github.com/cmd-stream/cmd-stream-go/core"
	com "github.com/mus-format/common-go"
	"github.com/mus-format/mus-stream-go"
	"github.com/mus-format/mus-stream-go/ord"
	"github.com/mus-format/mus-stream-go/typed"

	"interop/format"
	"interop/jsoncodec"
	"interop/muscodec"
)

// Formats returns what the formats know of the service.
//
// In JSON the command is a string, and a result is an object:
//
//	{"Message": "Hello", "Last": false}
//
// In MUS both have the tag 1; a result is a string and a bool.
func Formats() format.Service[Greeter] {
	return format.Service[Greeter]{
		JSON: jsoncodec.Types[Greeter]{
			Commands: []core.Cmd[Greeter]{SayFancyHelloMultiCmd("")},
			Results:  []core.Result{Greeting{}},
		},
		MUS: muscodec.Serializers[Greeter]{Commands: commandMUS{}, Results: resultMUS{}},
	}
}

const (
	commandDTM  com.DTM = 1
	greetingDTM com.DTM = 1
)

var stringMUS = muscodec.StringAtMost(1000)

type commandMUS struct{}

func (commandMUS) Marshal(cmd core.Cmd[Greeter], w mus.Writer) (n int, err error) {
	v, ok := cmd.(SayFancyHelloMultiCmd)
	if !ok {
		return 0, fmt.Errorf("no serializer for %T", cmd)
	}
	return muscodec.MarshalTyped(commandDTM, stringMUS, string(v), w)
}

func (commandMUS) Unmarshal(r mus.Reader) (cmd core.Cmd[Greeter], n int, err error) {
	v, n, err := typed.NewSer(commandDTM, stringMUS).Unmarshal(r)
	return SayFancyHelloMultiCmd(v), n, err
}

type resultMUS struct{}

func (resultMUS) Marshal(result core.Result, w mus.Writer) (n int, err error) {
	v, ok := result.(Greeting)
	if !ok {
		return 0, fmt.Errorf("no serializer for %T", result)
	}
	if n, err = muscodec.MarshalTyped(greetingDTM, stringMUS, v.Message, w); err != nil {
		return n, err
	}
	n1, err := ord.Bool.Marshal(v.Last, w)
	return n + n1, err
}

func (resultMUS) Unmarshal(r mus.Reader) (result core.Result, n int, err error) {
	var v Greeting
	if v.Message, n, err = typed.NewSer(greetingDTM, stringMUS).Unmarshal(r); err != nil {
		return v, n, err
	}
	var n1 int
	v.Last, n1, err = ord.Bool.Unmarshal(r)
	return v, n + n1, err
}
