// Package failure is the one kind of error that a render ends with: what is wrong, where, and the way out.
package failure

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Longest message that is sent back; a recursion's error is 100 KB long.
const maxMessage = 4000

// Failure says why a render failed. File is a path from the root of the repository. Line and Column count from 1 and are 0
// where they are not known: a wrong place is worse than none.
type Failure struct {
	Message string `json:"message"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Hint    string `json:"hint,omitempty"`
	// The keys that lead to the value that is wrong, from the root of its document, where that is known.
	Path []string `json:"-"`
}

func (f *Failure) Error() string { return f.Message }

// New makes a Failure at a file, which may be empty.
func New(file, format string, args ...any) *Failure {
	return &Failure{File: file, Message: fmt.Sprintf(format, args...)}
}

// WithHint adds the way out.
func (f *Failure) WithHint(format string, args ...any) *Failure {
	f.Hint = fmt.Sprintf(format, args...)
	return f
}

// From makes any error a Failure, and gives it a file where it has none.
func From(err error, file string) *Failure {
	var known *Failure
	if !errors.As(err, &known) {
		known = &Failure{Message: err.Error()}
	}
	if known.File == "" {
		known.File = file
	}
	known.Message = Cut(known.Message)
	return known
}

// Cut keeps the beginning and the end of a message that is too long to read.
func Cut(message string) string {
	message = strings.ToValidUTF8(strings.TrimSpace(message), "\uFFFD")
	if len(message) <= maxMessage {
		return message
	}
	head, tail := message[:maxMessage*3/4], message[len(message)-maxMessage/4:]
	cut := len(message) - len(head) - len(tail)
	return strings.ToValidUTF8(fmt.Sprintf("%s … (%d bytes cut) … %s", head, cut, tail), "\uFFFD")
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// What the YAML library's parser says, as opposed to its scanner: it then counts lines from 0.
var fromParser = regexp.MustCompile(`did not find expected (<|node content|key|'-' indicator|',' or)`)

// ForYAML makes a Failure of an error of the YAML library about a document that starts at line first of file. The library
// counts lines within the document; the message gets the file's.
func ForYAML(err error, document []byte, file string, first int) *Failure {
	failed := &Failure{File: file, Message: err.Error()}
	for _, prefix := range []string{"yaml: ", "unmarshal errors:\n  "} {
		failed.Message = strings.TrimPrefix(failed.Message, prefix)
	}
	offset := first - 1
	if fromParser.MatchString(failed.Message) {
		offset++
	}
	last := first + max(bytes.Count(bytes.TrimSpace(document), []byte("\n")), 0)
	failed.Message = yamlLine.ReplaceAllStringFunc(failed.Message, func(found string) string {
		within, _ := strconv.Atoi(yamlLine.FindStringSubmatch(found)[1])
		line := min(within+offset, last)
		if failed.Line != 0 {
			return fmt.Sprintf("line %d: ", line)
		}
		failed.Line = line
		return ""
	})
	failed.Message = "not valid YAML: " + failed.Message
	return failed
}
