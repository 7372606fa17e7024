package overlay

import (
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

// place is the file of one object, and the kind and name that it has there; the name is "" where it was not looked for.
type place struct {
	kind, name, file string
	generated        bool
	// What is in a list, until it is put in its place.
	listed []place
}

// called is what an object is known by.
type called struct {
	kind, name string
	generated  bool
}

// walker lists the places of a kustomization and of those that it names.
type walker struct {
	source *repo.Repo
	// sorted: the objects come out in another order. renamed: they may have other names.
	sorted, renamed bool
}

// listed returns the file of each object without a second pass: kustomize appends the objects of its resources in the order
// in which they are named, then those of its generators, then those of its components. It answers only where that is all that
// the kustomizations on the way do, and where as many objects of the same kinds came out. Where they were put into another order
// or some were taken away, they are known by kind and name, as long as nothing renames them. All that it reads the render has
// read.
func listed(source *repo.Repo, dir string, built resmap.ResMap) ([]string, bool) {
	walk := walker{source: source}
	places, ok := walk.at(dir, 0)
	if !ok {
		return nil, false
	}
	if found, ok := inOrder(places, built); ok && !walk.sorted {
		return found, true
	}
	if walk.renamed {
		return nil, false
	}
	return byName(places, built)
}

func inOrder(places []place, built resmap.ResMap) ([]string, bool) {
	if len(places) != built.Size() {
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

// hashed is how much longer a generated name is than the one that was asked for.
const hashed = len("-0123456789")

func byName(places []place, built resmap.ResMap) ([]string, bool) {
	files := map[called]string{}
	for _, one := range places {
		key := called{one.kind, one.name, one.generated}
		if _, twice := files[key]; twice || one.name == "" {
			return nil, false
		}
		files[key] = one.file
	}
	found := make([]string, 0, built.Size())
	for _, one := range built.Resources() {
		name := one.GetName()
		keys := []called{{one.GetKind(), name, false}, {one.GetKind(), name, true}}
		if len(name) > hashed {
			keys = append(keys, called{one.GetKind(), name[:len(name)-hashed], true})
		}
		file, known := "", 0
		for _, key := range keys {
			if at, ok := files[key]; ok {
				file, known = at, known+1
			}
		}
		if known != 1 {
			return nil, false
		}
		found = append(found, file)
	}
	return found, true
}

func (w *walker) at(dir string, depth int) ([]place, bool) {
	source := w.source
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
			settings, _ := value.(map[string]any)
			// That of a kustomization below is not asked by kustomize.
			if order := settings["order"]; order != "fifo" && (order != "legacy" || depth > 0) {
				return nil, false
			}
			w.sorted = w.sorted || settings["order"] != "fifo"
		case "namePrefix", "nameSuffix", "transformers", "patches", "patchesJson6902", "replacements":
			w.renamed = w.renamed || field[0] == 'n' || field[0] == 't' || field == "replacements" || renames(value)
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
		below, ok := w.objectsAt(path.Join(dir, target), depth)
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
				asked, _ := settings["name"].(string)
				made = append(made, place{kind: generator.kind, name: asked, file: name, generated: true})
			case behavior == "merge":
				// It changes an object that is there already, and is still that one's file.
			case behavior == "replace":
				if !replace(all, generator.kind, settings["name"], name) {
					return nil, false
				}
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
		below, ok := w.at(root(at), depth+1)
		if !ok {
			return nil, false
		}
		all = append(all, below...)
	}
	return all, true
}

// replace gives the one generated object of that name the file of who generates it anew.
func replace(all []place, kind string, called any, file string) bool {
	found := -1
	for index, one := range all {
		if one.kind == kind && one.generated && one.name == called {
			if found >= 0 {
				return false
			}
			found = index
		}
	}
	if found < 0 {
		return false
	}
	all[found].file = file
	return true
}

// renames says whether a patch may give another name: it has to ask for that, or be in a file that is not looked at.
func renames(patches any) bool {
	for _, item := range list(patches) {
		patch, _ := item.(map[string]any)
		if options, given := patch["options"]; given && options != nil {
			return true
		}
	}
	return false
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
func (w *walker) objectsAt(at string, depth int) ([]place, bool) {
	if above(at) {
		return nil, false
	}
	content, resolved, err := w.source.Read(at)
	if err != nil {
		return w.at(root(at), depth+1)
	}
	if resolved != at {
		return nil, false
	}
	objects, ok := objects(content)
	for index := range objects {
		objects[index].file = at
	}
	return objects, ok
}
