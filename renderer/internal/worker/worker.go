// Package worker answers render requests, one at a time.
package worker

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"runtime"
	"runtime/debug"

	"driftless.dev/renderer/internal/chart"
	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/object"
	"driftless.dev/renderer/internal/overlay"
	"driftless.dev/renderer/internal/plain"
	"driftless.dev/renderer/internal/repo"
	"driftless.dev/renderer/internal/wire"
)

type hello struct {
	Kind      string            `json:"kind"`
	Protocol  int               `json:"protocol"`
	Libraries map[string]string `json:"libraries"`
}

type request struct {
	Kind      string          `json:"kind"`
	Path      string          `json:"path"`
	Renderer  string          `json:"renderer"`
	Kustomize overlay.Options `json:"kustomize"`
	Helm      chart.Options   `json:"helm"`
}

type rendered struct {
	Kind     string           `json:"kind"`
	Renderer string           `json:"renderer"`
	Warnings []string         `json:"warnings"`
	Volatile []chart.Volatile `json:"volatile"`
}

type failed struct {
	Kind     string           `json:"kind"`
	Failure  *failure.Failure `json:"failure"`
	Panicked bool             `json:"panicked"`
}

// ErrPanicked says that a library panicked. What it renders after that can't be trusted: the process must end.
var ErrPanicked = errors.New("a library panicked")

// Serve says hello and renders until the host hangs up.
func Serve(conn *wire.Conn) error {
	http.DefaultTransport = noNetwork{}
	if err := overlay.Warm(); err != nil {
		return err
	}
	if err := conn.Send(hello{"hello", wire.Protocol, libraries()}, nil); err != nil {
		return err
	}
	for {
		var asked request
		if _, err := conn.Receive(&asked); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := serveOne(conn, asked); err != nil {
			return err
		}
	}
}

func serveOne(conn *wire.Conn, asked request) error {
	if asked.Kind != "render" {
		return fmt.Errorf("expected a render, got %q", asked.Kind)
	}
	stderr, err := capture()
	if err != nil {
		return err
	}
	source := repo.New(conn)
	answer, objects, err := guarded(source, asked)
	answer.Warnings = stderr.take()
	var body []byte
	if err == nil {
		body, err = encode(objects)
	}
	defer giveBack()
	if err != nil {
		panicked := errors.Is(err, ErrPanicked)
		why := failure.From(err, asked.Path)
		if sendErr := conn.Send(failed{"failed", why, panicked}, nil); sendErr != nil || panicked {
			return errors.Join(err, sendErr)
		}
		return nil
	}
	return conn.Send(answer, body)
}

// guarded turns a panic of a library into an error, and one about the pipe back into the end of the process.
func guarded(source *repo.Repo, asked request) (answer rendered, objects []object.Object, err error) {
	defer func() {
		switch why := recover().(type) {
		case nil:
		case repo.Broken:
			panic(why.Err)
		default:
			files := source.WasRead()
			last := asked.Path
			if len(files) > 0 {
				last = files[len(files)-1]
			}
			err = errors.Join(failure.New(last, "the library crashed on this input, after reading this file: %v", why), ErrPanicked)
		}
	}()
	return render(source, asked)
}

func render(source *repo.Repo, asked request) (rendered, []object.Object, error) {
	renderer, err := choose(source, asked)
	answer := rendered{Kind: "rendered", Renderer: renderer}
	if err != nil {
		return answer, nil, err
	}
	var objects []object.Object
	switch renderer {
	case "yaml":
		objects, err = plain.Render(source, asked.Path)
	case "kustomize":
		objects, err = overlay.Render(source, asked.Path, asked.Kustomize)
	case "helm":
		var result chart.Result
		result, err = chart.Render(source, asked.Path, asked.Helm)
		objects, answer.Volatile = result.Objects, result.Volatile
	default:
		err = failure.New("", "there is no renderer %q", renderer)
	}
	if refused := source.WasRefused(); refused != nil && err == nil {
		err = refused
	}
	if err == nil {
		err = withinLimits(objects)
	}
	if err == nil && len(objects) == 0 {
		err = failure.New(asked.Path, "renders to no objects").
			WithHint("an empty app would delete all of its objects; to delete them, remove the app's definition")
	}
	return answer, objects, err
}

// choose looks what is there: a kustomization, a chart, or plain manifests.
func choose(source *repo.Repo, asked request) (string, error) {
	kind, _, err := source.Stat(asked.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", failure.New(asked.Path, "the path is not in the repository").WithHint("check the app's path and ref")
	}
	if err != nil {
		return "", err
	}
	if asked.Renderer != "auto" {
		return asked.Renderer, nil
	}
	if kind == repo.File {
		return "yaml", nil
	}
	for _, name := range overlay.Names {
		found, err := present(source, repo.Join(asked.Path, name))
		if err != nil || found {
			return "kustomize", err
		}
	}
	found, err := present(source, repo.Join(asked.Path, "Chart.yaml"))
	if err != nil || found {
		return "helm", err
	}
	return "yaml", nil
}

func present(source *repo.Repo, name string) (bool, error) {
	kind, _, err := source.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return kind == repo.File, err
}

// noNetwork stands where libraries would dial: whatever they ask for is refused by name.
type noNetwork struct{}

func (noNetwork) RoundTrip(asked *http.Request) (*http.Response, error) {
	return nil, failure.New("", "%s is remote; a render reads only its own repository", asked.URL).
		WithHint("commit a copy and refer to it")
}

// libraries names the versions that make a render what it is.
func libraries() map[string]string {
	versions := map[string]string{"go": runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versions
	}
	named := map[string]string{
		"sigs.k8s.io/kustomize/api": "kustomize",
		"helm.sh/helm/v4":           "helm",
		"sigs.k8s.io/yaml":          "yaml",
	}
	for _, dependency := range info.Deps {
		if name, ok := named[dependency.Path]; ok {
			versions[name] = dependency.Version
		}
	}
	return versions
}
