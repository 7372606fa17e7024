// Package object holds rendered objects on their way back, and what all renderers check of them.
package object

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"driftless.dev/renderer/internal/failure"
	kjson "k8s.io/apimachinery/pkg/util/json"
)

// Object is one rendered object with the file that it came from, as a path from the root of the repository, or "".
type Object struct {
	Content map[string]any `json:"object"`
	Origin  string         `json:"origin,omitempty"`
}

// Parse reads one JSON value as kubectl does: null is nothing, and what has "items" is a list whose items count.
func Parse(raw []byte, origin string) ([]Object, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	var value any
	if err := kjson.Unmarshal(raw, &value); err != nil {
		return nil, failure.New(origin, "not an object that the API server can read: %v", err)
	}
	content, ok := value.(map[string]any)
	if !ok {
		return nil, failure.New(origin, "expected a Kubernetes object, found %s", describe(value))
	}
	if len(content) == 0 {
		return nil, failure.New(origin, "expected a Kubernetes object, found an empty one: {}")
	}
	return expand(Object{Content: content, Origin: origin}, 0)
}

const maxNesting = 16

// inherit gives an item of a typed list (a DeploymentList) the kind that such lists leave out.
func inherit(item, list map[string]any) {
	kind, _ := list["kind"].(string)
	itemKind := strings.TrimSuffix(kind, "List")
	if _, known := item["kind"]; !known && itemKind != "" && itemKind != kind {
		item["kind"], item["apiVersion"] = itemKind, list["apiVersion"]
	}
}

func expand(one Object, depth int) ([]Object, error) {
	if err := check(one); err != nil {
		return nil, err
	}
	items, listed := one.Content["items"]
	if !listed {
		return []Object{one}, nil
	}
	if depth == maxNesting {
		return nil, failure.New(one.Origin, "lists are nested more than %d deep", maxNesting)
	}
	all, ok := items.([]any)
	if items != nil && !ok {
		return nil, failure.New(one.Origin, "%s has items that are not a list", Name(one.Content))
	}
	var out []Object
	for index, item := range all {
		content, ok := item.(map[string]any)
		if !ok {
			return nil, failure.New(one.Origin, "item %d of a %v is %s, not a Kubernetes object", index+1, one.Content["kind"], describe(item))
		}
		inherit(content, one.Content)
		expanded, err := expand(Object{Content: content, Origin: one.Origin}, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, expanded...)
	}
	return out, nil
}

// check asks for what every object needs to be sent anywhere.
func check(one Object) error {
	for _, field := range []string{"apiVersion", "kind"} {
		text, ok := one.Content[field].(string)
		if !ok || text == "" {
			return failure.New(one.Origin, "not a Kubernetes object: it has no %s", field).
				WithHint("leave files that are not manifests out of the app's path")
		}
	}
	if _, listed := one.Content["items"]; listed {
		return nil
	}
	metadata, _ := one.Content["metadata"].(map[string]any)
	if err := unquoted(one, metadata); err != nil {
		return err
	}
	if name, ok := metadata["name"].(string); !ok || name == "" {
		failed := failure.New(one.Origin, "a %v has no metadata.name", one.Content["kind"])
		if _, generated := metadata["generateName"]; generated {
			failed.WithHint("generateName creates a new object at each apply; set metadata.name")
		}
		return failed
	}
	return secretData(one)
}

// unquoted refuses what the API takes as a text only, and YAML reads as something else: 1234, true.
func unquoted(one Object, metadata map[string]any) error {
	for _, field := range []string{"name", "namespace"} {
		if err := isText(one, metadata[field], field); err != nil {
			return err
		}
	}
	for _, field := range []string{"labels", "annotations"} {
		values, _ := metadata[field].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if err := isText(one, values[key], field, key); err != nil {
				return err
			}
		}
	}
	return nil
}

func isText(one Object, value any, path ...string) error {
	switch value.(type) {
	case bool, int64, float64:
	default:
		return nil
	}
	path = append([]string{"metadata"}, path...)
	failed := failure.New(one.Origin, "a %v has %s as %s", one.Content["kind"], describe(value), strings.Join(path, "."))
	failed.Path = path
	return failed.WithHint("quote it")
}

// Key names an object whatever its version: group, kind, namespace and name.
func Key(content map[string]any) string {
	group := ""
	if version, ok := content["apiVersion"].(string); ok {
		if slash := bytes.IndexByte([]byte(version), '/'); slash >= 0 {
			group = version[:slash]
		}
	}
	metadata, _ := content["metadata"].(map[string]any)
	return fmt.Sprintf("%s\x00%v\x00%v\x00%v", group, content["kind"], metadata["namespace"], metadata["name"])
}

// Name is an object as people name it: "apps/v1 Deployment shop/web".
func Name(content map[string]any) string {
	metadata, _ := content["metadata"].(map[string]any)
	text := func(value any, otherwise string) string {
		if text, ok := value.(string); ok && text != "" {
			return text
		}
		return otherwise
	}
	name := text(metadata["name"], "without a name")
	if namespace := text(metadata["namespace"], ""); namespace != "" {
		name = namespace + "/" + name
	}
	kind := text(content["kind"], "")
	version := text(content["apiVersion"], "")
	switch {
	case kind == "" && version == "":
		return "an object " + name
	case kind == "":
		return version + " object " + name
	case version == "":
		return kind + " " + name
	}
	return version + " " + kind + " " + name
}

// Duplicates refuses two objects of one name: the second would silently overwrite the first.
func Duplicates(objects []Object) error {
	seen := map[string]Object{}
	for _, one := range objects {
		key := Key(one.Content)
		first, known := seen[key]
		if !known {
			seen[key] = one
			continue
		}
		if first.Origin == one.Origin || first.Origin == "" {
			return failure.New(one.Origin, "%s is defined twice", Name(one.Content))
		}
		return failure.New(one.Origin, "%s is defined twice: also in %s", Name(one.Content), first.Origin)
	}
	return nil
}

// describe names what a value is, and never the value: a document may be a secret that lost its frame.
func describe(value any) string {
	switch value.(type) {
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case string:
		return "a string"
	case bool:
		return "true or false"
	case nil:
		return "nothing"
	default:
		return "a number"
	}
}
