// Package plain renders manifests that are files: every YAML and JSON file below a path, read as kubectl reads them.
package plain

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/object"
	"driftless.dev/renderer/internal/repo"
	"k8s.io/apimachinery/pkg/runtime"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
)

// Files that mean that the directory is for another renderer: taken as manifests they would only confuse.
var otherwise = map[string]string{
	"kustomization.yaml": "kustomize",
	"kustomization.yml":  "kustomize",
	"Chart.yaml":         "helm",
}

// Render reads every *.yaml, *.yml and *.json at or below dir.
func Render(files *repo.Repo, dir string) ([]object.Object, error) {
	kind, _, err := files.Stat(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	if kind == repo.File {
		names = []string{dir}
	} else if names, err = walk(files, dir, map[string]bool{}); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, failure.New(dir, "no manifests: there is no .yaml, .yml or .json file at or below this path").
			WithHint("check the app's path")
	}
	var all []object.Object
	for _, name := range names {
		found, err := readFile(files, name)
		if err != nil {
			return nil, failure.From(err, name)
		}
		all = append(all, found...)
	}
	return all, object.Duplicates(all)
}

// walk lists the manifests below dir in byte order. open holds the resolved directories on the way, so that links in a
// circle end.
func walk(files *repo.Repo, dir string, open map[string]bool) ([]string, error) {
	_, resolved, err := files.Stat(dir)
	if err != nil {
		return nil, err
	}
	if open[resolved] {
		return nil, failure.New(dir, "symbolic links form a loop: this is %s again", resolved)
	}
	open[resolved] = true
	defer delete(open, resolved)
	entries, err := files.List(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name := repo.Join(dir, entry.Name)
		kind := entry.Kind
		if kind == "link" {
			if kind, _, err = files.Stat(name); err != nil {
				return nil, linkFailed(name, err)
			}
		}
		if kind == repo.Directory {
			below, err := walk(files, name, open)
			if err != nil {
				return nil, err
			}
			names = append(names, below...)
		} else if isManifest(entry.Name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func linkFailed(name string, err error) error {
	if repo.IsMissing(err) {
		return failure.New(name, "a broken symbolic link")
	}
	return err
}

func isManifest(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

func readFile(files *repo.Repo, name string) ([]object.Object, error) {
	if renderer, ok := otherwise[path.Base(name)]; ok {
		return nil, failure.New(name, "a %s below a path that is rendered as plain YAML", path.Base(name)).
			WithHint("make %s the app's path, or set renderer: %s there", path.Dir(name), renderer)
	}
	content, _, err := files.Read(name)
	if err != nil {
		return nil, err
	}
	return Parse(content, name)
}

// Parse reads a stream of documents, with the messages for the file that it is.
func Parse(content []byte, file string) ([]object.Object, error) {
	if kyaml.IsJSONBuffer(content[:min(len(content), 4096)]) {
		return parseJSON(content, file)
	}
	reader := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	var all []object.Object
	for line := 1; ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, failure.New(file, "not valid YAML: %v", err)
		}
		found, err := parseDocument(document, file, line)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		// The reader ate the separator that ended this document.
		line += bytes.Count(document, []byte("\n")) + 1
	}
}

// parseDocument reads strictly: of two equal keys kubectl silently takes the last.
func parseDocument(document []byte, file string, line int) ([]object.Object, error) {
	raw, failed := toJSON(document, file, line)
	if failed != nil {
		return nil, failed
	}
	found, err := object.Parse(raw, file)
	if err != nil {
		failed := failure.From(err, file)
		failed.Line = firstContent(document, line)
		if at := lineOf(document, failed.Path); at > 0 {
			failed.Line = line + at - 1
		}
		return nil, failed
	}
	return found, nil
}

// Syntax says where a file is not YAML, whatever is in it, or nil.
func Syntax(content []byte, file string) *failure.Failure {
	reader := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for line := 1; ; {
		document, err := reader.Read()
		if err != nil {
			return nil
		}
		if _, failed := toJSON(document, file, line); failed != nil {
			return failed
		}
		line += bytes.Count(document, []byte("\n")) + 1
	}
}

// firstContent is the line of the document's first line that is neither blank, comment nor separator.
func firstContent(document []byte, line int) int {
	for text := range strings.Lines(string(document)) {
		text = strings.TrimSpace(text)
		if text != "" && !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "---") {
			return line
		}
		line++
	}
	return 0
}

func parseJSON(content []byte, file string) ([]object.Object, error) {
	decoder := kyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	var all []object.Object
	for {
		var one runtime.RawExtension
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, jsonFailed(content, file, err)
		}
		var strict map[string]any
		if twice, err := json.UnmarshalStrict(one.Raw, &strict, json.DisallowDuplicateFields); err == nil && len(twice) > 0 {
			return nil, failure.New(file, "a key is defined twice: %v", twice[0])
		}
		found, err := object.Parse(one.Raw, file)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
}

func jsonFailed(content []byte, file string, err error) error {
	failed := failure.New(file, "not valid JSON: %v", err)
	var syntax kyaml.JSONSyntaxError
	if errors.As(err, &syntax) && syntax.Offset <= int64(len(content)) {
		failed.Message = fmt.Sprintf("not valid JSON: %v", syntax.Err)
		failed.Line = 1 + bytes.Count(content[:syntax.Offset], []byte("\n"))
	}
	return failed
}
