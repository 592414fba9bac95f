package sample

import "interop/format"

// Formats returns what the formats know of the service.
func Formats() format.Service[Receiver] {
	return format.Service[Receiver]{
		JSON:     format.JSONTypes[Receiver]{Commands: Commands(), Results: Results()},
		MUS:      MUS(),
		Protobuf: Protobuf(),
	}
}
