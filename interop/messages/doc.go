// Package messages holds the Protobuf messages of the services, generated from
// the .proto files beside it with protoc-gen-go v1.36.12.
package messages

//go:generate protoc --go_out=. --go_opt=paths=source_relative sample.proto vectors.proto jobs.proto
