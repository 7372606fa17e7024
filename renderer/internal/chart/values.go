package chart

import (
	"bytes"
	"path"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/plain"
	"driftless.dev/renderer/internal/repo"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// mergeValues merges the files in order, then the inline values. Paths are from the root of the repository.
func mergeValues(source *repo.Repo, options Options) (map[string]any, error) {
	merged := map[string]any{}
	for _, file := range options.ValuesFiles {
		at := path.Clean(file)
		content, resolved, err := source.Read(at)
		if repo.IsMissing(err) {
			return nil, failure.New(at, "a values file that is not in the repository").
				WithHint("helm.valuesFiles are paths from the root of the repository")
		}
		if err != nil {
			return nil, err
		}
		values, err := loader.LoadValues(bytes.NewReader(content))
		if err != nil {
			if failed := plain.Syntax(content, resolved); failed != nil {
				return nil, failed
			}
			return nil, failure.New(resolved, "%v", err)
		}
		merged = loader.MergeMaps(merged, values)
	}
	return loader.MergeMaps(merged, options.Values), nil
}
