package protosample

import "interop/format"

// Formats returns what the formats know of the service.
func Formats() format.Service[Receiver] { return format.Service[Receiver]{Protobuf: Protobuf()} }
