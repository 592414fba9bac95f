//go:build race

package speed

// raceEnabled tells that the race detector is built in, which slows everything
// down unevenly.
const raceEnabled = true
