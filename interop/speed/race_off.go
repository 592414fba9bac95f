//go:build !race

package jsoncodec_test

// raceEnabled tells that the race detector is built in.
const raceEnabled = false
