// Package overlay renders kustomizations by kustomize's own library.
//
// The library keeps its OpenAPI schema in a global of the process: one render runs at a time, and a render that changed
// the schema resets it.
package overlay

import (
	"fmt"
	"path"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/object"
	"driftless.dev/renderer/internal/repo"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/provenance"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// Names of kustomization files, in the order in which kustomize looks for them.
var Names = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// Options of one render.
type Options struct {
	// Unrestricted lets a kustomization read files beside its own directory, up to the root of the repository.
	Unrestricted bool `json:"unrestricted"`
}

var builtinSchema = openapi.GetSchemaVersion()

// Render builds the kustomization in dir. Where the origins are not plain to see they come from a second pass: the annotations
// that carry them can change what a render makes, so that the objects are those of a plain one.
func Render(source *repo.Repo, dir string, options Options) ([]object.Object, error) {
	plain := &files{repo: source, onRead: inspector(source)}
	built, err := run(plain, dir, options)
	if err != nil {
		return nil, explain(err, source, dir)
	}
	if refused := source.WasRefused(); refused != nil {
		return nil, refused
	}
	found := origins(source, dir, options, built)
	var all []object.Object
	for index, one := range built.Resources() {
		// What kustomize prints is this, written as YAML.
		raw, err := one.MarshalJSON()
		if err != nil {
			return nil, explain(err, source, dir)
		}
		objects, err := object.Parse(raw, found[index])
		if err != nil {
			return nil, failure.From(err, dir)
		}
		pinVersion(objects)
		all = append(all, objects...)
	}
	return all, object.Duplicates(all)
}

func run(fs filesys.FileSystem, dir string, options Options) (resmap.ResMap, error) {
	settings := krusty.MakeDefaultOptions()
	if options.Unrestricted {
		settings.LoadRestrictions = types.LoadRestrictionsNone
	}
	built, err := krusty.MakeKustomizer(settings).Run(fs, path.Join(mount, dir))
	if openapi.GetSchemaVersion() != builtinSchema {
		openapi.ResetOpenAPI()
	}
	return built, err
}

// Version is the release of kustomize whose library this is.
const Version = "v5.8.1"

var unpinned = "kustomize-" + provenance.GetProvenance().Semver()

// pinVersion puts kustomize's own version into the label that buildMetadata: [managedByLabel] asks for. The library would
// put the version of this program.
func pinVersion(objects []object.Object) {
	for _, one := range objects {
		metadata, _ := one.Content["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		if labels[konfig.ManagedbyLabelKey] == unpinned {
			labels[konfig.ManagedbyLabelKey] = "kustomize-" + Version
		}
	}
}

// Warm parses the built-in schema, which the first render would otherwise wait for.
func Warm() error {
	fs := filesys.MakeFsInMemory()
	if err := fs.WriteFile(path.Join(mount, Names[0]), []byte("nameSuffix: -x\nresources: [a.yaml]\n")); err != nil {
		return err
	}
	manifest := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
	if err := fs.WriteFile(path.Join(mount, "a.yaml"), manifest); err != nil {
		return err
	}
	built, err := run(fs, "", Options{})
	if err == nil && built.Size() != 1 {
		err = fmt.Errorf("a kustomization of one object made %d", built.Size())
	}
	return err
}
