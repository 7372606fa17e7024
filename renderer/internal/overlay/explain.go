package overlay

import (
	"errors"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/plain"
	"driftless.dev/renderer/internal/repo"
	"sigs.k8s.io/yaml"
)

var (
	malformed = regexp.MustCompile(`(?s)MalformedYAMLError: .* in File: (\S+)`)
	mounted   = regexp.MustCompile(`/repo(/|\b)`)
)

// explain says what is wrong in the words of the repository: its paths, the file where that is certain, and the way out.
func explain(err error, source *repo.Repo, dir string) error {
	if refused := source.WasRefused(); refused != nil {
		return refused
	}
	var known *failure.Failure
	if errors.As(err, &known) {
		return failure.From(known, dir)
	}
	message := err.Error()
	if found := malformed.FindStringSubmatch(message); found != nil {
		if failed := syntaxError(source, found[1]); failed != nil {
			return failed
		}
	}
	if failed := kustomizationError(source, message); failed != nil {
		return failed
	}
	failed := failure.New(rootFile(source, dir), "%s", shorten(message))
	if strings.Contains(message, "external plugins disabled") {
		failed.WithHint("generators, transformers and validators may only be kustomize's built-in ones: a plugin would be a program to run")
	}
	return failed
}

// syntaxError finds the one file of that name that was read and does not parse, and says where.
func syntaxError(source *repo.Repo, name string) *failure.Failure {
	var failed *failure.Failure
	for _, file := range source.WasRead() {
		if path.Base(file) != path.Base(name) {
			continue
		}
		content, _, err := source.Read(file)
		if err != nil {
			continue
		}
		_, err = plain.Parse(content, file)
		var here *failure.Failure
		if !errors.As(err, &here) {
			continue
		}
		if failed != nil {
			return nil
		}
		failed = here
	}
	return failed
}

// kustomizationError is for a kustomization that can't be read: it is then the last file that was.
func kustomizationError(source *repo.Repo, message string) *failure.Failure {
	read := source.WasRead()
	if len(read) == 0 {
		return nil
	}
	last := read[len(read)-1]
	if !slices.Contains(Names, path.Base(last)) {
		return nil
	}
	content, _, err := source.Read(last)
	if err != nil {
		return nil
	}
	if _, err := yaml.YAMLToJSONStrict(content); err != nil {
		return failure.ForYAML(err, last, 1)
	}
	return failure.New(last, "%s", shorten(message))
}

func shorten(message string) string {
	return mounted.ReplaceAllStringFunc(message, func(found string) string {
		if found == "/repo/" {
			return ""
		}
		return "the repository's root"
	})
}

func isURL(target string) bool {
	parsed, err := url.Parse(target)
	return err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https")
}
