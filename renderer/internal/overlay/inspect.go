package overlay

import (
	"path"
	"slices"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/repo"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/yaml"
)

// Fields of a kustomization that name files, directories or, for kustomize, repositories.
var directories = []string{"resources", "bases", "components", "generators", "transformers", "validators"}

// inspector looks at each kustomization as it is read, and refuses by name what a render has no way to do: fetch
// something, or run a program.
func inspector(source *repo.Repo) func(string, []byte) ([]byte, error) {
	return func(name string, content []byte) ([]byte, error) {
		if !slices.Contains(Names, path.Base(name)) {
			return content, nil
		}
		fields := map[string]any{}
		if yaml.Unmarshal(content, &fields) != nil {
			return content, nil
		}
		if why := unsupported(source, name, fields); why != nil {
			return nil, source.Refuse(why)
		}
		return content, nil
	}
}

func unsupported(source *repo.Repo, name string, fields map[string]any) *failure.Failure {
	for _, field := range []string{"helmCharts", "helmChartInflationGenerator"} {
		if _, used := fields[field]; used {
			return failure.New(name, "%s: kustomize would run helm, which may not be started here", field).
				WithHint("give the chart an app of its own with renderer: helm, or commit what it renders to")
		}
	}
	for _, one := range named(fields) {
		if remote(source, name, one) {
			return failure.New(name, "%s: %s is remote; a render reads only its own repository", one.field, one.target).
				WithHint("commit a copy and refer to it; a local directory that looks like a remote one needs ./ before its name")
		}
		if at := path.Join(path.Dir(name), one.target); path.IsAbs(one.target) || at == ".." || strings.HasPrefix(at, "../") {
			return failure.New(name, "%s: %s is outside the repository", one.field, one.target)
		}
	}
	return nil
}

// reference is a path that a kustomization names in one of its fields.
type reference struct {
	field, target string
	// Whether kustomize also takes a repository there.
	directory bool
}

// named lists what a kustomization refers to: strings in lists, the paths of patches and the like, and generators' files.
func named(fields map[string]any) []reference {
	var all []reference
	add := func(field string, value any, directory bool) {
		if target, ok := value.(string); ok && !strings.Contains(target, "\n") {
			all = append(all, reference{field, target, directory})
		}
	}
	for _, field := range directories {
		for _, item := range list(fields[field]) {
			add(field, item, true)
		}
	}
	for _, field := range []string{"crds", "configurations", "patchesStrategicMerge"} {
		for _, item := range list(fields[field]) {
			add(field, item, false)
		}
	}
	for _, field := range []string{"patches", "patchesJson6902", "replacements"} {
		for _, item := range list(fields[field]) {
			patch, _ := item.(map[string]any)
			add(field, patch["path"], false)
		}
	}
	for _, field := range []string{"configMapGenerator", "secretGenerator"} {
		for _, item := range list(fields[field]) {
			generator, _ := item.(map[string]any)
			add(field, generator["env"], false)
			for _, file := range append(list(generator["files"]), list(generator["envs"])...) {
				text, _ := file.(string)
				if _, target, keyed := strings.Cut(text, "="); keyed && !isURL(text) {
					text = target
				}
				add(field, text, false)
			}
		}
	}
	schema, _ := fields["openapi"].(map[string]any)
	add("openapi", schema["path"], false)
	return all
}

func list(value any) []any {
	items, _ := value.([]any)
	return items
}

// remote says whether kustomize would fetch something: a URL always, and what looks like a repository where no file of that
// name is.
func remote(source *repo.Repo, name string, one reference) bool {
	if isURL(one.target) {
		return true
	}
	if !one.directory || (&resource.Origin{}).Append(one.target).Repo == "" {
		return false
	}
	kind, _, err := source.Stat(path.Join(path.Dir(name), one.target))
	return err != nil || kind != repo.File
}
