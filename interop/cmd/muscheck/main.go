// Command muscheck is the program that another implementation of MUS is compared
// with. It reads one value per line, decodes it with the serializers of
// mus-stream-go, encodes the result, and writes one line about it:
//
//	TYPE HEX               hex of the bytes, or - for none
//	HEX CONSUMED           hex of what was encoded, and how many bytes were decoded
//	error CONSUMED TEXT    it does not decode
//
// The types are those of the value vectors in wire/vectors, and some more: see
// types.go. Options of a serializer follow its name: ord.string{len=raw.int}.
// The entries of a map come in any order.
//
// muscheck generate FOLDER writes those files of wire/vectors that it makes.
//
// Decoding trusts lengths, as the library does: a length without bytes behind it
// can end the process.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	work := func() error { return run(os.Stdin, os.Stdout) }
	if len(os.Args) == 3 && os.Args[1] == "generate" {
		work = func() error { return generate(os.Args[2]) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "muscheck:", err)
		os.Exit(1)
	}
}

// maxLine is how long a line may be: more than any value that is worth checking.
const maxLine = 64 << 20

// run answers each line. It fails if a line makes no sense.
func run(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	answers := bufio.NewWriter(out)
	for lines.Scan() {
		line, err := answer(lines.Text())
		if err != nil {
			return err
		}
		fmt.Fprintln(answers, line)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return answers.Flush()
}

func answer(line string) (string, error) {
	name, text, ok := strings.Cut(line, " ")
	if !ok {
		return "", fmt.Errorf("%.100q is not a type and hex", line)
	}
	check, ok := types[name]
	if !ok {
		return "", fmt.Errorf("unknown type %q", name)
	}
	if text == "-" {
		text = ""
	}
	in, err := hex.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	out, consumed, err := check(in)
	if err != nil {
		return fmt.Sprintf("error %d %v", consumed, err), nil
	}
	if len(out) == 0 {
		return fmt.Sprintf("- %d", consumed), nil
	}
	return fmt.Sprintf("%x %d", out, consumed), nil
}
