//go:build !race

package speed

// raceEnabled tells that the race detector is built in.
const raceEnabled = false
