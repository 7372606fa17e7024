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
	unreadable = regexp.MustCompile(`invalid Kustomization: |Failed to read kustomization file|kustomization.yaml is empty|yaml: `)
	// The directories of the kustomizations on the way to the one at fault.
	entered = regexp.MustCompile(`recursed accumulation of path '([^']*)'`)
	// What is wrong with a resource, before what became of the attempt to take it as a directory.
	accumulated = regexp.MustCompile(`(?s)(?:accumulating|merging) resources from '([^']*)': ([^']*(?:'[^':]*'[^']*)*)': must build at directory`)
	plainly     = []*regexp.Regexp{
		regexp.MustCompile(`(?s)cycle detected: .*`),
		regexp.MustCompile(`(?s)unable to find one of .*`),
		regexp.MustCompile(`(?s)invalid Kustomization: .*`),
	}
	malformed = regexp.MustCompile(`(?s)MalformedYAMLError: .* in File: (\S+)|.*resources from '([^']+)': MalformedYAMLError`)
	twice     = regexp.MustCompile(`mapping key (".*") already defined at line \d+`)
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
		if failed := syntaxError(source, found[1]+found[2]); failed != nil {
			return failed
		}
	}
	if strings.Contains(message, "map[interface {}]") || strings.Contains(message, "invalid map key") {
		if failed := oddKey(source); failed != nil {
			return failed
		}
	}
	if found := twice.FindStringSubmatch(message); found != nil {
		if failed := givenTwice(source, found[1]); failed != nil {
			return failed
		}
	}
	if failed := kustomizationError(source, message); failed != nil {
		return failed
	}
	failed := failure.New(culprit(source, dir, message), "%s", shorten(message))
	if strings.Contains(message, "external plugins disabled") {
		failed.WithHint("generators, transformers and validators must be built into kustomize; plugins are programs, which a render does not run")
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
		here := plain.Syntax(content, file)
		if here != nil && failed != nil {
			return nil
		}
		if here != nil {
			failed = here
		}
	}
	return failed
}

// oddKey finds the first file that was read with a key that is not text.
func oddKey(source *repo.Repo) *failure.Failure {
	for _, file := range source.WasRead() {
		if content, _, err := source.Read(file); err == nil {
			if failed := plain.OddKey(content, file); failed != nil {
				return failed
			}
		}
	}
	return nil
}

// givenTwice finds the first file that was read in which that key is given twice: kustomize counts the line, and does not say of
// which file.
func givenTwice(source *repo.Repo, key string) *failure.Failure {
	for _, file := range source.WasRead() {
		content, _, err := source.Read(file)
		if err != nil {
			continue
		}
		if failed := plain.Syntax(content, file); failed != nil && strings.Contains(failed.Message, "key "+key+" already") {
			return failed
		}
	}
	return nil
}

// kustomizationError is for a kustomization that can't be read: it is then the last file that was.
func kustomizationError(source *repo.Repo, message string) *failure.Failure {
	read := source.WasRead()
	if len(read) == 0 || !unreadable.MatchString(message) {
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
		return failure.ForYAML(err, content, last, 1)
	}
	return failure.New(last, "%s", shorten(message))
}

// shorten drops how kustomize came there, and speaks of paths from the root of the repository.
func shorten(message string) string {
	message = mounted.ReplaceAllStringFunc(message, func(found string) string {
		if found == "/repo/" {
			return ""
		}
		return "the repository's root"
	})
	for _, pattern := range plainly {
		if found := pattern.FindString(message); found != "" {
			return found
		}
	}
	found := accumulated.FindAllStringSubmatch(message, -1)
	if len(found) == 0 {
		return message
	}
	last := found[len(found)-1]
	if strings.HasSuffix(last[2], "file does not exist") {
		return "resources: " + last[1] + " is not in the repository"
	}
	return "resources: " + last[1] + ": " + last[2]
}

// culprit is the kustomization that kustomize was working at.
func culprit(source *repo.Repo, dir, message string) string {
	found := entered.FindAllStringSubmatch(message, -1)
	if len(found) == 0 {
		return rootFile(source, dir)
	}
	below := strings.TrimPrefix(strings.TrimPrefix(found[len(found)-1][1], mount), "/")
	return rootFile(source, below)
}

func isURL(target string) bool {
	parsed, err := url.Parse(target)
	return err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https")
}
