package chart

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/repo"
)

var (
	// Where text/template says that something is wrong: chart/templates/a.yaml:3:14, with or without a column.
	place = regexp.MustCompile(`([\w.+-]+(?:/[\w.+@ -]+)+):(\d+)(?::(\d+))?`)
	// How the engine begins a message, with the place that the failure has by itself.
	opening = regexp.MustCompile(`^(?:template: |parse error at \(|execution error at \()?[\w.+/@ -]+:\d+(?::\d+)?\)?(?:: |\s+)`)
	spaces  = regexp.MustCompile(`\s*\n\s*`)
)

// templateFailed names the file by its path, with the line and column that the engine gives.
func templateFailed(err error, source *repo.Repo, in places, name string) error {
	if refused := source.WasRefused(); refused != nil {
		return refused
	}
	message := collapse(err.Error())
	found := place.FindStringSubmatch(message)
	if found == nil || !strings.HasPrefix(found[1], name+"/") {
		return failure.New(repo.Join(in.dir, "Chart.yaml"), "%s", failure.Cut(message))
	}
	message = spaces.ReplaceAllString(opening.ReplaceAllString(message, ""), " ")
	failed := failure.New(in.origin(found[1]), "%s", failure.Cut(message))
	failed.Line, _ = strconv.Atoi(found[2])
	failed.Column, _ = strconv.Atoi(found[3])
	return failed
}

const (
	calling    = "error calling include: "
	mostCalled = 4
)

// collapse keeps the first calls of a recursion and what ended it.
func collapse(message string) string {
	calls := strings.Split(message, calling)
	if len(calls) <= mostCalled+1 {
		return message
	}
	kept := append(calls[:mostCalled:mostCalled], fmt.Sprintf("(%d more calls) ", len(calls)-mostCalled-1)+calls[len(calls)-1])
	return strings.Join(kept, calling)
}
