package overlay

import (
	"path"
	"slices"

	"driftless.dev/renderer/internal/repo"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// origins returns the file of each object, or "" where it is not known. A failure here is no failure of the render.
func origins(source *repo.Repo, dir string, options Options, built resmap.ResMap) []string {
	if found, ok := listed(source, dir, built); ok {
		return found
	}
	return annotated(source, dir, options, built)
}

// annotated finds the files by a second pass, in which kustomize writes them into annotations.
func annotated(source *repo.Repo, dir string, options Options, built resmap.ResMap) []string {
	found := make([]string, built.Size())
	root := rootFile(source, dir)
	marking := &files{repo: source, onRead: func(name string, content []byte) ([]byte, error) {
		if name == root {
			return withOrigins(content)
		}
		return content, nil
	}}
	again, err := run(marking, dir, options)
	if err != nil || again.Size() != built.Size() {
		return found
	}
	for index, one := range again.Resources() {
		// Annotations can change the hash in a name, never the order.
		if one.GetKind() != built.Resources()[index].GetKind() {
			continue
		}
		origin, err := one.GetOrigin()
		if err != nil || origin == nil || origin.Repo != "" {
			continue
		}
		file := origin.Path
		if file == "" {
			file = origin.ConfiguredIn
		}
		if file != "" {
			found[index] = path.Join(dir, file)
		}
	}
	return found
}

// rootFile is the kustomization that a render starts with, after links. All answers are known by now.
func rootFile(source *repo.Repo, dir string) string {
	for _, name := range Names {
		if _, resolved, err := source.Read(repo.Join(dir, name)); err == nil {
			return resolved
		}
	}
	return ""
}

func withOrigins(content []byte) ([]byte, error) {
	fields := map[string]any{}
	if err := yaml.Unmarshal(content, &fields); err != nil {
		return nil, err
	}
	asked, _ := fields["buildMetadata"].([]any)
	if !slices.Contains(asked, any(types.OriginAnnotations)) {
		fields["buildMetadata"] = append(asked, types.OriginAnnotations)
	}
	return yaml.Marshal(fields)
}
