package sample

import (
	"github.com/cmd-stream/cmd-stream-go/core"

	"interop/format"
	"interop/jsoncodec"
)

// Formats returns what the formats know of the service.
func Formats() format.Service[Receiver] {
	return format.Service[Receiver]{
		JSON:     JSON(),
		MUS:      MUS(),
		Protobuf: Protobuf(),
	}
}

// JSON returns the types of the commands and results.
func JSON() jsoncodec.Types[Receiver] {
	return jsoncodec.Types[Receiver]{
		Commands: []core.Cmd[Receiver]{EchoCmd{}, StreamCmd{}, FailCmd{}, DelayCmd{}, TraceCmd[EchoCmd]{}},
		Results:  []core.Result{EchoResult{}, StreamResult{}, DelayResult{}},
	}
}
