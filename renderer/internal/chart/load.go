package chart

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/plain"
	"driftless.dev/renderer/internal/repo"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helm "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"
)

var byteOrderMark = []byte{0xEF, 0xBB, 0xBF}

// load reads a chart's directory as helm does: links are followed, and what .helmignore names is left out.
func load(source *repo.Repo, dir string) (*helm.Chart, places, error) {
	rules, err := ignoreRules(source, dir)
	if err != nil {
		return nil, places{}, err
	}
	walk := walker{source: source, root: dir, rules: rules, open: map[string]bool{}}
	if err := walk.directory(""); err != nil {
		return nil, places{}, err
	}
	loaded, err := loader.LoadFiles(walk.files)
	if err != nil {
		return nil, places{}, notLoaded(err, walk.files, dir)
	}
	return loaded, placesOf(loaded, walk.files, dir), nil
}

// notLoaded names the file that is not YAML, where that is the reason.
func notLoaded(err error, files []*archive.BufferedFile, dir string) error {
	for _, file := range files {
		if strings.Contains(err.Error(), "cannot load "+file.Name+":") {
			if failed := plain.Syntax(file.Data, repo.Join(dir, file.Name)); failed != nil {
				return failed
			}
		}
	}
	return failure.New(repo.Join(dir, "Chart.yaml"), "%v", err)
}

func ignoreRules(source *repo.Repo, dir string) (*ignore.Rules, error) {
	rules := ignore.Empty()
	name := repo.Join(dir, ignore.HelmIgnore)
	content, _, err := source.Read(name)
	if err == nil {
		if rules, err = ignore.Parse(bytes.NewReader(content)); err != nil {
			return nil, failure.New(name, "%v", err)
		}
	} else if !repo.IsMissing(err) {
		return nil, err
	}
	rules.AddDefaults()
	return rules, nil
}

type walker struct {
	source *repo.Repo
	root   string
	rules  *ignore.Rules
	files  []*archive.BufferedFile
	// The resolved directories on the way, so that links in a circle end.
	open map[string]bool
}

func (w *walker) directory(dir string) error {
	at := repo.Join(w.root, dir)
	at = strings.TrimSuffix(at, "/")
	_, resolved, err := w.source.Stat(at)
	if err != nil {
		return err
	}
	if w.open[resolved] {
		return failure.New(at, "symbolic links form a loop: this is %s again", resolved)
	}
	w.open[resolved] = true
	defer delete(w.open, resolved)
	entries, err := w.source.List(at)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := w.entry(repo.Join(dir, entry.Name), entry.Kind); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(name string, kind repo.Kind) error {
	at := repo.Join(w.root, name)
	if kind == "link" {
		// An ignored link may lead anywhere.
		if w.rules.Ignore(name, info{path.Base(name), repo.File}) && w.rules.Ignore(name, info{path.Base(name), repo.Directory}) {
			return nil
		}
		var err error
		if kind, _, err = w.source.Stat(at); err != nil {
			if repo.IsMissing(err) {
				return failure.New(at, "a broken symbolic link")
			}
			return err
		}
	}
	if w.rules.Ignore(name, info{path.Base(name), kind}) {
		return nil
	}
	if kind == repo.Directory {
		return w.directory(name)
	}
	content, _, err := w.source.Read(at)
	if err != nil {
		return err
	}
	if int64(len(content)) > archive.MaxDecompressedFileSize {
		return failure.New(at, "larger than helm's limit of %d bytes for a chart's file", archive.MaxDecompressedFileSize)
	}
	content = bytes.TrimPrefix(content, byteOrderMark)
	w.files = append(w.files, &archive.BufferedFile{Name: name, Data: content})
	return nil
}

// info is what .helmignore's rules look at: whether something is a directory.
type info struct {
	name string
	kind repo.Kind
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return 0 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.kind == repo.Directory }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir
	}
	return 0
}

// check refuses what helm's library would silently render otherwise than helm's command line, or than the last time.
func check(source *repo.Repo, loaded *helm.Chart, dir string) error {
	chartFile := repo.Join(dir, "Chart.yaml")
	meta := loaded.Metadata
	if meta.APIVersion != helm.APIVersionV1 && meta.APIVersion != helm.APIVersionV2 {
		return failure.New(chartFile, "this chart apiVersion is not supported; use v1 or v2")
	}
	if meta.Type != "" && meta.Type != "application" {
		what := "a chart of this type"
		if meta.Type == "library" {
			what = "a library chart"
		}
		return failure.New(chartFile, "%s cannot be installed", what).
			WithHint("make it a dependency of an application chart")
	}
	if err := twofold(source, dir); err != nil {
		return err
	}
	return checkTree(loaded, chartFile)
}

func checkTree(loaded *helm.Chart, chartFile string) error {
	present := map[string]int{}
	for _, dependency := range loaded.Dependencies() {
		present[dependency.Name()]++
	}
	for _, wanted := range loaded.Metadata.Dependencies {
		if wanted != nil && present[wanted.Name] == 0 {
			return missingDependency(loaded, wanted, chartFile)
		}
	}
	if err := references(loaded, chartFile); err != nil {
		return err
	}
	for _, dependency := range loaded.Dependencies() {
		if err := checkTree(dependency, chartFile); err != nil {
			return err
		}
	}
	return nil
}

func missingDependency(loaded *helm.Chart, wanted *helm.Dependency, chartFile string) error {
	where := "charts/" + wanted.Name
	failed := failure.New(chartFile, "chart %s depends on %s, which is not in its charts/", loaded.Name(), wanted.Name)
	if strings.HasPrefix(wanted.Repository, "file://") {
		return failed.WithHint("helm would copy %s there; commit its files under %s, or a symbolic link to them", wanted.Repository, where)
	}
	return failed.WithHint("run helm dependency build and commit the result: a render downloads nothing")
}

// twofold refuses a subchart that is there as a folder and as an archive: which one wins would be a matter of luck.
func twofold(source *repo.Repo, dir string) error {
	charts := repo.Join(dir, "charts")
	entries, err := source.List(charts)
	if err != nil {
		if repo.IsMissing(err) {
			return nil
		}
		return err
	}
	seen := map[string]string{}
	for _, entry := range entries {
		name, err := chartName(source, repo.Join(charts, entry.Name))
		if err != nil || name == "" {
			continue
		}
		if first, known := seen[name]; known {
			return failure.New(repo.Join(charts, entry.Name), "chart %s exists twice, also as %s; it is undefined which one is used", name, first).
				WithHint("delete one of them")
		}
		seen[name] = entry.Name
	}
	return nil
}

func chartName(source *repo.Repo, at string) (string, error) {
	base := path.Base(at)
	if strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".") {
		return "", nil
	}
	if path.Ext(at) == ".tgz" {
		content, _, err := source.Read(at)
		if err != nil {
			return "", err
		}
		packed, err := loader.LoadArchive(bytes.NewReader(content))
		if err != nil {
			return "", fmt.Errorf("%s: %w", at, err)
		}
		return packed.Name(), nil
	}
	content, _, err := source.Read(repo.Join(at, "Chart.yaml"))
	if err != nil {
		return "", err
	}
	only, err := loader.LoadFiles([]*archive.BufferedFile{{Name: "Chart.yaml", Data: content}})
	if err != nil {
		return "", err
	}
	return only.Name(), nil
}
