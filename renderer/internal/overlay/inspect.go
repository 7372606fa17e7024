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

// Fields of a kustomization that name files, directories or, for kustomize, repositories and URLs.
var references = []string{
	"resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators",
	"patchesStrategicMerge",
}

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
	for _, field := range references {
		listed, _ := fields[field].([]any)
		for _, item := range listed {
			if target, ok := item.(string); ok && !strings.Contains(target, "\n") && remote(source, name, target) {
				return refuseRemote(name, field, target)
			}
		}
	}
	if schema, ok := fields["openapi"].(map[string]any); ok {
		if target, ok := schema["path"].(string); ok && remote(source, name, target) {
			return refuseRemote(name, "openapi.path", target)
		}
	}
	return nil
}

// remote says whether kustomize would fetch target: a URL always, and what looks like a repository where no file of that
// name is.
func remote(source *repo.Repo, name, target string) bool {
	if isURL(target) {
		return true
	}
	if (&resource.Origin{}).Append(target).Repo == "" {
		return false
	}
	kind, _, err := source.Stat(path.Join(path.Dir(name), target))
	return err != nil || kind != repo.File
}

func refuseRemote(name, field, target string) *failure.Failure {
	return failure.New(name, "%s: %s is remote, and a render reads nothing but its own repository", field, target).
		WithHint("commit a copy of it and name that; a local directory that looks like a remote one needs ./ before its name")
}
