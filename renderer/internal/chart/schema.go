package chart

import (
	"encoding/json"
	"strings"

	"driftless.dev/renderer/internal/failure"
	helm "helm.sh/helm/v4/pkg/chart/v2"
)

// references refuses by name a values schema that points at a file or at the network: the validator would open it.
func references(loaded *helm.Chart, chartFile string) error {
	if loaded.Schema == nil {
		return nil
	}
	var schema any
	if json.Unmarshal(loaded.Schema, &schema) != nil {
		return nil
	}
	ids := map[string]bool{}
	collect(schema, "$id", ids)
	targets := map[string]bool{}
	for _, keyword := range []string{"$ref", "$dynamicRef", "$recursiveRef", "$schema"} {
		collect(schema, keyword, targets)
	}
	for target := range targets {
		before, _, _ := strings.Cut(target, "#")
		if before == "" || ids[target] || ids[before] || isMetaSchema(before) {
			continue
		}
		return failure.New(chartFile, "the values.schema.json of chart %s refers to %s, and a render reads only the chart", loaded.Name(), target).
			WithHint("put the definition into the schema, under $defs")
	}
	return nil
}

func isMetaSchema(target string) bool {
	target = strings.TrimPrefix(strings.TrimPrefix(target, "http://"), "https://")
	return strings.HasPrefix(target, "json-schema.org/")
}

func collect(value any, keyword string, into map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, below := range value {
			if text, ok := below.(string); ok && name == keyword {
				into[text] = true
			}
			collect(below, keyword, into)
		}
	case []any:
		for _, below := range value {
			collect(below, keyword, into)
		}
	}
}
