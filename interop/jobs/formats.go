package jobs

import (
	"github.com/cmd-stream/cmd-stream-go/core"

	"interop/format"
	"interop/jsoncodec"
)

// Formats returns what the formats know of the service.
func Formats() format.Service[*Receiver] {
	return format.Service[*Receiver]{
		JSON: jsoncodec.Types[*Receiver]{
			Commands: []core.Cmd[*Receiver]{LogCmd{}, LogsCmd{}, JobCmd{}, RefuseCmd{}},
			Results:  []core.Result{LogsResult{}, JobResult{}, Problem{}},
		},
		MUS:      MUS(),
		Protobuf: Protobuf(),
	}
}
