package helloworld

import (
	"fmt"

	"github.com/cmd-stream/cmd-stream-go/core"
	com "github.com/mus-format/common-go"
	"github.com/mus-format/mus-stream-go"
	"github.com/mus-format/mus-stream-go/typed"

	"interop/format"
	"interop/muscodec"
)

// Formats returns what the formats know of the service: MUS, in which each value
// is a tag and a string.
func Formats() format.Service[Greeter] {
	return format.Service[Greeter]{
		MUS: muscodec.Serializers[Greeter]{Commands: commandMUS{}, Results: resultMUS{}},
	}
}

// The tags.
const (
	sayHelloCmdDTM com.DTM = iota + 1
	sayFancyHelloCmdDTM

	greetingDTM com.DTM = 1
)

var (
	// nameMUS is for the name of who is greeted.
	nameMUS = muscodec.StringAtMost(1000)
	// greetingMUS has room for a name and the words around it.
	greetingMUS = muscodec.StringAtMost(1100)
)

type commandMUS struct{}

func (commandMUS) Marshal(cmd core.Cmd[Greeter], w mus.Writer) (n int, err error) {
	switch v := cmd.(type) {
	case SayHelloCmd:
		return muscodec.MarshalTyped(sayHelloCmdDTM, nameMUS, string(v), w)
	case SayFancyHelloCmd:
		return muscodec.MarshalTyped(sayFancyHelloCmdDTM, nameMUS, string(v), w)
	}
	return 0, fmt.Errorf("no serializer for %T", cmd)
}

func (commandMUS) Unmarshal(r mus.Reader) (cmd core.Cmd[Greeter], n int, err error) {
	dtm, n, err := typed.DTMSer.Unmarshal(r)
	if err != nil {
		return cmd, n, err
	}
	if dtm != sayHelloCmdDTM && dtm != sayFancyHelloCmdDTM {
		return cmd, n, com.NewUnexpectedDTMError(dtm)
	}
	name, n1, err := nameMUS.Unmarshal(r)
	if cmd = SayHelloCmd(name); dtm == sayFancyHelloCmdDTM {
		cmd = SayFancyHelloCmd(name)
	}
	return cmd, n + n1, err
}

type resultMUS struct{}

func (resultMUS) Marshal(result core.Result, w mus.Writer) (n int, err error) {
	v, ok := result.(Greeting)
	if !ok {
		return 0, fmt.Errorf("no serializer for %T", result)
	}
	return muscodec.MarshalTyped(greetingDTM, greetingMUS, string(v), w)
}

func (resultMUS) Unmarshal(r mus.Reader) (result core.Result, n int, err error) {
	v, n, err := typed.NewSer(greetingDTM, greetingMUS).Unmarshal(r)
	return Greeting(v), n, err
}
