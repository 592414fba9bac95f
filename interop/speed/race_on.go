//go:build race

package jsoncodec_test

// raceEnabled tells that the race detector is built in, which slows everything
// down unevenly.
const raceEnabled = true
