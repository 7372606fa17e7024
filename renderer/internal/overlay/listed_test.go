package overlay

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"driftless.dev/renderer/internal/repo/repotest"
)

// TestListed compares the files that are told without a second pass with those that one finds, for all kustomizations of ours
// and of DRIFTLESS_SAMPLES.
func TestListed(t *testing.T) {
	roots := []string{filepath.Join("..", "..", "testdata", "kustomize")}
	if samples := os.Getenv("DRIFTLESS_SAMPLES"); samples != "" {
		roots = append(roots, samples)
	}
	for _, root := range roots {
		told := 0
		err := filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
			if err != nil || !slices.Contains(Names, entry.Name()) {
				return err
			}
			dir, err := filepath.Rel(root, filepath.Dir(at))
			told += compare(t, root, strings.TrimPrefix(dir, "."))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if told == 0 {
			t.Errorf("nothing of %s is told without a second pass", root)
		}
	}
}

func compare(t *testing.T, root, dir string) int {
	source := repotest.Disk(root)
	built, err := run(&files{repo: source, onRead: inspector(source)}, dir, Options{})
	if err != nil {
		return 0
	}
	read := len(source.WasRead())
	told, ok := listed(source, dir, built)
	if len(source.WasRead()) != read {
		t.Errorf("%s: it read what the render had not", dir)
	}
	if !ok {
		return 0
	}
	if found := annotated(source, dir, Options{}, built); !slices.Equal(told, found) {
		t.Errorf("%s: told %q, the second pass finds %q", dir, told, found)
	}
	return 1
}

// TestListedForms has the shapes that decide whether a second pass is needed.
func TestListedForms(t *testing.T) {
	cases := map[string]struct {
		kustomization, manifest string
		want                    []string
	}{
		"two documents":        {"namePrefix: a-\nresources: [m.yaml, base]\n", "# first\n---\n" + configMap("a") + "---\n" + configMap("b"), []string{"m.yaml", "m.yaml", "base/m.yaml"}},
		"generators come last": {"resources: [m.yaml]\nsecretGenerator: [{name: s, literals: [a=b]}]\nconfigMapGenerator: [{name: c, literals: [a=b]}]\n", configMap("a"), []string{"m.yaml", "kustomization.yaml", "kustomization.yaml"}},
		"quoted":               {"resources: [m.yaml]\n", strings.ReplaceAll(configMap("a"), "ConfigMap", `"ConfigMap" # a kind`), []string{"m.yaml"}},
		"a list":               {"resources: [m.yaml]\n", "apiVersion: v1\nkind: ConfigMapList\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n", []string{"m.yaml"}},
		"a list among others":  {"resources: [m.yaml, base]\n", aList + "---\n" + configMap("b") + "---\n" + strings.ReplaceAll(aList, "ConfigMap", "Secret"), []string{"m.yaml", "m.yaml", "m.yaml", "m.yaml", "m.yaml", "base/m.yaml"}},
		"lists in lists":       {"resources: [base, m.yaml]\n", `{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "deep"}}]}, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}]}`, []string{"base/m.yaml", "m.yaml", "m.yaml"}},
		"an empty list":        {"resources: [base, m.yaml]\n", "apiVersion: v1\nkind: List\nitems:\n", []string{"base/m.yaml"}},
		"flow style":           {"resources: [m.yaml]\n", `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}`, []string{"m.yaml"}},
		"a patch that deletes": {"resources: [m.yaml]\npatches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, $patch: delete}'}]\n", configMap("a") + "---\n" + configMap("b"), []string{"m.yaml"}},
		"sorted":               {"resources: [m.yaml, base]\nsortOptions: {order: legacy}\n", "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\n---\n" + configMap("z"), []string{"base/m.yaml", "m.yaml", "m.yaml"}},
		"sorted and renamed":   {"resources: [m.yaml, base]\nnamePrefix: a-\nsortOptions: {order: legacy}\n", configMap("a"), nil},
		"sorted and generated": {"resources: [m.yaml, base]\nconfigMapGenerator: [{name: c, literals: [a=b]}]\nsortOptions: {order: legacy}\n", configMap("z"), []string{"base/m.yaml", "kustomization.yaml", "m.yaml"}},
		"sorted in order":      {"resources: [m.yaml, base]\nsortOptions: {order: fifo}\n", configMap("a"), []string{"m.yaml", "base/m.yaml"}},
		"components":           {"resources: [m.yaml]\ncomponents: [part]\nconfigMapGenerator: [{name: c, literals: [a=b]}]\n", configMap("a"), []string{"m.yaml", "kustomization.yaml", "part/more.yaml"}},
		"merged":               {"resources: [generated]\nconfigMapGenerator: [{name: g, behavior: merge, literals: [c=d]}]\n", "", []string{"generated/kustomization.yaml"}},
		"replaced":             {"resources: [generated]\nconfigMapGenerator: [{name: g, behavior: replace, literals: [c=d]}]\n", "", []string{"kustomization.yaml"}},
		"a transformer":        {"resources: [m.yaml]\ntransformers:\n- |\n  apiVersion: builtin\n  kind: PrefixTransformer\n  metadata: {name: x}\n  prefix: a-\n  fieldSpecs: [{path: metadata/name}]\n", configMap("a"), []string{"m.yaml"}},
	}
	for name, one := range cases {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, "kustomization.yaml", one.kustomization)
			write(t, root, "m.yaml", one.manifest)
			write(t, root, "base/kustomization.yaml", "resources: [m.yaml]\n")
			write(t, root, "base/m.yaml", configMap("base"))
			write(t, root, "part/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: x-\nresources: [more.yaml]\n")
			write(t, root, "part/more.yaml", configMap("more"))
			write(t, root, "generated/kustomization.yaml", "configMapGenerator: [{name: g, literals: [a=b]}]\n")
			source := repotest.Disk(root)
			built, err := run(&files{repo: source}, "", Options{})
			if err != nil {
				t.Fatal(err)
			}
			told, ok := listed(source, "", built)
			if ok != (one.want != nil) || !slices.Equal(told, one.want) {
				t.Errorf("told %q (%v), want %q", told, ok, one.want)
			}
			if found := annotated(source, "", Options{}, built); ok && !slices.Equal(told, found) {
				t.Errorf("told %q, the second pass finds %q", told, found)
			}
		})
	}
}

const aList = "apiVersion: v1\nkind: ConfigMapList\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: x\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: y}\n"

func configMap(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n"
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	if err := writeFile(filepath.Join(root, name), text); err != nil {
		t.Fatal(err)
	}
}

func writeFile(at, text string) error {
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at, []byte(text), 0o600)
}
