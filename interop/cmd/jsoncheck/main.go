// Command jsoncheck is the program that another implementation of Go's JSON is
// compared with. It reads one value per line, unmarshals it with encoding/json,
// marshals the result, and writes one line about it:
//
//	TYPE JSON     the value
//	JSON          what was marshaled
//	error TEXT    it cannot be unmarshaled
//
// jsoncheck samples writes lines like those that it reads: values that are made
// here, of each type.
//
// The types are those of types.go.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	work := func() error { return run(os.Stdin, os.Stdout) }
	if len(os.Args) == 2 && os.Args[1] == "samples" {
		work = func() error { return samples(os.Stdout) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "jsoncheck:", err)
		os.Exit(1)
	}
}

// maxLine is how long a line may be: more than any value that is worth checking.
const maxLine = 1 << 20

// run answers each line. It fails if a line makes no sense.
func run(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	answers := bufio.NewWriter(out)
	for lines.Scan() {
		name, json, ok := strings.Cut(lines.Text(), " ")
		if !ok {
			return fmt.Errorf("%.100q is not a type and JSON", lines.Text())
		}
		kind, ok := types[name]
		if !ok {
			return fmt.Errorf("unknown type %q", name)
		}
		answer, err := kind.check(json)
		if err != nil {
			answer = "error " + err.Error()
		}
		fmt.Fprintln(answers, answer)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return answers.Flush()
}

func samples(out io.Writer) error {
	for name, kind := range types {
		values, err := kind.samples()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, json := range values {
			fmt.Fprintln(out, name, json)
		}
	}
	return nil
}
