package chart

import (
	"regexp"
	"strconv"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/repo"
)

// Where text/template says that something is wrong: chart/templates/a.yaml:3:14, with or without a column.
var place = regexp.MustCompile(`([\w.+-]+(?:/[\w.+@ -]+)+):(\d+)(?::(\d+))?`)

// templateFailed names the file by its path, with the line and column that the engine gives.
func templateFailed(err error, source *repo.Repo, dir, name string) error {
	if refused := source.WasRefused(); refused != nil {
		return refused
	}
	failed := failure.New("", "%s", failure.Cut(err.Error()))
	found := place.FindStringSubmatch(failed.Message)
	if found == nil || !strings.HasPrefix(found[1], name+"/") {
		failed.File = repo.Join(dir, "Chart.yaml")
		return failed
	}
	failed.File = origin(found[1], dir)
	failed.Line, _ = strconv.Atoi(found[2])
	failed.Column, _ = strconv.Atoi(found[3])
	return failed
}
