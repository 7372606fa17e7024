// Package chart renders Helm charts by Helm's own library, with what Helm's command line checks beside it.
package chart

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/object"
	"driftless.dev/renderer/internal/plain"
	"driftless.dev/renderer/internal/repo"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	helm "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
)

// Options of one render. KubeVersion and APIVersions are the cluster's: the library's own would follow its go.mod.
type Options struct {
	Release     string         `json:"release"`
	Namespace   string         `json:"namespace"`
	ValuesFiles []string       `json:"values_files"`
	Values      map[string]any `json:"values"`
	// EmptyLookup lets templates call lookup, which finds nothing.
	EmptyLookup bool     `json:"empty_lookup"`
	KubeVersion string   `json:"kube_version"`
	APIVersions []string `json:"api_versions"`
	// KeepVolatile accepts fields that differ between two renders and names them, where they are otherwise an error.
	KeepVolatile bool `json:"keep_nondeterministic"`
}

// Result of a render.
type Result struct {
	Objects []object.Object
	// Volatile are the fields that two renders made differently, with KeepVolatile.
	Volatile []Volatile
}

// Volatile is one field of one object that another render makes otherwise.
type Volatile struct {
	Object  int    `json:"object"`
	Pointer string `json:"pointer"`
}

// Render renders the chart in dir more than once, so that what it makes otherwise each time is seen.
func Render(source *repo.Repo, dir string, options Options) (Result, error) {
	caps, err := capabilities(options)
	if err != nil {
		return Result{}, err
	}
	first, used, err := once(source, dir, options, caps, 0)
	if err != nil {
		return Result{}, err
	}
	// A short random value is the same twice by chance; one of two is the same in all rounds once in 30,000 renders.
	rounds := 2
	if used {
		rounds = 16
	}
	volatile := map[Volatile]bool{}
	for round := 1; round < rounds; round++ {
		again, _, err := once(source, dir, options, caps, round)
		if err != nil {
			return Result{}, err
		}
		differing, err := compare(first, again)
		if err != nil {
			return Result{}, err
		}
		for _, field := range differing {
			if !options.KeepVolatile {
				return Result{}, unstable(first[field.Object], field.Pointer)
			}
			volatile[field] = true
		}
	}
	sorted := slices.SortedFunc(maps.Keys(volatile), func(a, b Volatile) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), strings.Compare(a.Pointer, b.Pointer))
	})
	return Result{Objects: first, Volatile: sorted}, nil
}

func unstable(one object.Object, pointer string) error {
	return failure.New(one.Origin, "%s differs between two renders at %s", object.Name(one.Content), pointer).
		WithHint("it comes from a random function, a certificate or the time: give the chart a value for it, or set helm.nondeterministic: keep for the app")
}

func capabilities(options Options) (*common.Capabilities, error) {
	if options.KubeVersion == "" || len(options.APIVersions) == 0 {
		return nil, failure.New("", "a chart needs the version and the API versions of its cluster, which are not known")
	}
	version, err := common.ParseKubeVersion(options.KubeVersion)
	if err != nil {
		return nil, failure.New("", "the cluster's version %q is invalid: %v", options.KubeVersion, err)
	}
	caps := common.DefaultCapabilities.Copy()
	caps.KubeVersion = *version
	caps.APIVersions = common.VersionSet(options.APIVersions)
	return caps, nil
}

// once loads the chart anew each time, because a render changes it, and renders it with the clock of its round.
func once(source *repo.Repo, dir string, options Options, caps *common.Capabilities, round int) ([]object.Object, bool, error) {
	chartFile := repo.Join(dir, "Chart.yaml")
	loaded, in, err := load(source, dir)
	if err != nil {
		return nil, false, readable(err, source, chartFile)
	}
	if err := check(source, loaded, dir); err != nil {
		return nil, false, err
	}
	values, err := mergeValues(source, options)
	if err != nil {
		return nil, false, readable(err, source, chartFile)
	}
	if err := chartutil.ProcessDependencies(loaded, values); err != nil {
		return nil, false, failure.New(chartFile, "%v", err)
	}
	if wanted := loaded.Metadata.KubeVersion; wanted != "" && !chartutil.IsCompatibleRange(wanted, caps.KubeVersion.String()) {
		return nil, false, failure.New(chartFile, "the chart requires kubeVersion %s, the cluster has %s", wanted, caps.KubeVersion.Version)
	}
	about := common.ReleaseOptions{Name: options.Release, Namespace: options.Namespace, Revision: 1, IsInstall: true}
	rendered, err := util.ToRenderValues(loaded, values, about, caps)
	if err != nil {
		return nil, false, failure.New(chartFile, "%s", failure.Cut(err.Error()))
	}
	watched := &functions{options: options, round: round}
	texts, err := engine.Engine{CustomTemplateFuncs: watched.overrides()}.Render(loaded, rendered)
	if err != nil {
		return nil, false, templateFailed(err, source, in, loaded.Name())
	}
	objects, err := collectObjects(loaded, texts, in)
	return objects, watched.random, err
}

func readable(err error, source *repo.Repo, file string) error {
	if refused := source.WasRefused(); refused != nil {
		return refused
	}
	var missing *fs.PathError
	if errors.As(err, &missing) {
		return failure.New(missing.Path, "not in the repository")
	}
	return failure.From(err, file)
}

// collectObjects reads the CRDs of crds/, which helm would install first, and then what the templates made.
func collectObjects(loaded *helm.Chart, texts map[string]string, in places) ([]object.Object, error) {
	var all []object.Object
	for _, crd := range loaded.CRDObjects() {
		found, err := plain.Parse(crd.File.Data, in.origin(crd.Filename))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b object.Object) int { return strings.Compare(a.Origin, b.Origin) })
	var hooks []hook
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if strings.HasSuffix(name, "NOTES.txt") || strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		found, hooked, err := parseRendered(texts[name], in.origin(name))
		if err != nil {
			return nil, err
		}
		all, hooks = append(all, found...), append(hooks, hooked...)
	}
	if len(hooks) > 0 {
		return nil, notRun(hooks)
	}
	return all, object.Duplicates(all)
}

func parseRendered(text, file string) ([]object.Object, []hook, error) {
	documents := releaseutil.SplitManifests(text)
	names := slices.Collect(maps.Keys(documents))
	slices.SortFunc(names, func(a, b string) int {
		if (releaseutil.BySplitManifestsOrder{a, b}).Less(0, 1) {
			return -1
		}
		return 1
	})
	var all []object.Object
	var hooks []hook
	for _, name := range names {
		found, err := plain.Parse([]byte(documents[name]), file)
		if err != nil {
			failed := failure.From(err, file)
			// The line is one of the text that the template made, and nobody has that at hand.
			failed.Line = 0
			failed.Message = "the template's output is " + strings.TrimPrefix(failed.Message, "is ")
			return nil, nil, failed
		}
		for _, one := range found {
			switch events := hookEvents(one); {
			case events == "":
				all = append(all, one)
			case !isTest(events):
				hooks = append(hooks, hook{one, events})
			}
		}
	}
	return all, hooks, nil
}
