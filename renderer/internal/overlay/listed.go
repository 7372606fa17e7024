package overlay

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"driftless.dev/renderer/internal/repo"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/yaml"
)

// harmless are the fields of a kustomization that change objects, or take some away, but neither bring nor move any. What
// the others do to the order is not retraced here.
var harmless = []string{
	"apiVersion", "kind", "metadata", "namePrefix", "nameSuffix", "namespace", "commonLabels", "commonAnnotations", "labels",
	"images", "replicas", "patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "generatorOptions", "vars",
	"crds", "configurations", "openapi", "buildMetadata", "transformers", "validators",
}

// deepest is how far kustomizations may be nested before the second pass is left to find its way.
const deepest = 32

// place is the file of one object, and the kind that it has there.
type place struct{ kind, file string }

// listed returns the file of each object without a second pass: kustomize appends the objects of its resources in the order
// in which they are named, then those of its generators, then those of its components. It answers only where that is all that the kustomizations on the way
// do, and where as many objects of the same kinds came out. All that it reads the render has read.
func listed(source *repo.Repo, dir string, built resmap.ResMap) ([]string, bool) {
	places, ok := walk(source, dir, 0)
	if !ok || len(places) != built.Size() {
		return nil, false
	}
	found := make([]string, len(places))
	for index, one := range built.Resources() {
		if one.GetKind() != places[index].kind {
			return nil, false
		}
		found[index] = places[index].file
	}
	return found, true
}

func walk(source *repo.Repo, dir string, depth int) ([]place, bool) {
	name, fields, ok := kustomization(source, dir)
	if !ok || depth > deepest {
		return nil, false
	}
	var all, made []place
	for field, value := range fields {
		switch field {
		case "resources", "components", "configMapGenerator", "secretGenerator":
			if _, isList := value.([]any); !isList && value != nil {
				return nil, false
			}
		case "sortOptions":
			if settings, _ := value.(map[string]any); settings["order"] != "fifo" {
				return nil, false
			}
		default:
			if !slices.Contains(harmless, field) {
				return nil, false
			}
		}
	}
	for _, item := range list(fields["resources"]) {
		target, isText := item.(string)
		if !isText {
			return nil, false
		}
		below, ok := objectsAt(source, path.Join(dir, target), depth)
		if !ok {
			return nil, false
		}
		all = append(all, below...)
	}
	for _, generator := range []struct{ field, kind string }{{"configMapGenerator", "ConfigMap"}, {"secretGenerator", "Secret"}} {
		for _, item := range list(fields[generator.field]) {
			settings, _ := item.(map[string]any)
			switch behavior, given := settings["behavior"]; {
			case !given || behavior == "create":
				made = append(made, place{generator.kind, name})
			case behavior == "merge":
				// It changes an object that is there already, and is still that one's file.
			default:
				return nil, false
			}
		}
	}
	all = append(all, made...)
	for _, item := range list(fields["components"]) {
		target, isText := item.(string)
		at := path.Join(dir, target)
		if _, _, err := source.Read(at); !isText || err == nil || above(at) {
			return nil, false
		}
		below, ok := walk(source, root(at), depth+1)
		if !ok {
			return nil, false
		}
		all = append(all, below...)
	}
	return all, true
}

func above(at string) bool {
	return at == ".." || strings.HasPrefix(at, "../") || path.IsAbs(at)
}

// root is a directory as the repository names it.
func root(at string) string {
	if at == "." {
		return ""
	}
	return at
}

// kustomization reads the one in a directory. Links are left to the second pass: kustomize goes on from where they lead.
func kustomization(source *repo.Repo, dir string) (string, map[string]any, bool) {
	for _, name := range Names {
		at := repo.Join(dir, name)
		content, resolved, err := source.Read(at)
		if err != nil {
			continue
		}
		fields := map[string]any{}
		return at, fields, resolved == at && yaml.Unmarshal(content, &fields) == nil
	}
	return "", nil, false
}

// objectsAt are the objects of a file, or of a directory with a kustomization.
func objectsAt(source *repo.Repo, at string, depth int) ([]place, bool) {
	if above(at) {
		return nil, false
	}
	content, resolved, err := source.Read(at)
	if err != nil {
		return walk(source, root(at), depth+1)
	}
	if resolved != at {
		return nil, false
	}
	kinds, ok := kinds(content)
	places := make([]place, 0, len(kinds))
	for _, kind := range kinds {
		places = append(places, place{kind, at})
	}
	return places, ok
}

// kinds lists the kinds of the documents of a YAML file by their lines, without parsing them: a document that has none at the
// beginning of a line, or two, is left to the second pass, and so is all that is not plain block style.
func kinds(content []byte) ([]string, bool) {
	var all []string
	kind, empty := "", true
	end := func() bool {
		if kind != "" {
			all = append(all, kind)
		}
		ok := kind != "" || empty
		kind, empty = "", true
		return ok
	}
	for line := range bytes.Lines(content) {
		text := strings.TrimRight(string(line), " \t\r\n")
		switch {
		case text == "---" || strings.HasPrefix(text, "--- #"):
			if !end() {
				return nil, false
			}
		case text == "" || text[0] == '#' || text[0] == ' ' || text[0] == '\t':
		case strings.HasPrefix(text, "kind:"):
			value, _, _ := strings.Cut(strings.TrimPrefix(text, "kind:"), " #")
			value = strings.Trim(strings.TrimSpace(value), `"'`)
			if kind != "" || value == "" {
				return nil, false
			}
			kind, empty = value, false
		case strings.HasPrefix(text, "---"), strings.HasPrefix(text, "..."), strings.ContainsRune(`{[%&!|>"'?`, rune(text[0])):
			return nil, false
		default:
			empty = false
		}
	}
	return all, end()
}
