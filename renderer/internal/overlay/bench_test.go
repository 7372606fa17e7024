package overlay

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"driftless.dev/renderer/internal/repo/repotest"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// B17: what a render costs beside the library alone, which also writes its objects. Run with -bench=.
func BenchmarkRender(b *testing.B) {
	large := b.TempDir()
	writeLarge(b, large)
	for _, one := range []struct{ name, root, dir string }{
		{"fixture", filepath.Join("..", "..", "testdata", "kustomize"), "overlay"},
		{"large", large, "overlay"},
	} {
		b.Run(one.name+"/library", func(b *testing.B) {
			for b.Loop() {
				built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(one.root, one.dir))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := built.AsYaml(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(one.name+"/ours", func(b *testing.B) {
			for b.Loop() {
				if _, err := Render(repotest.Disk(one.root), one.dir, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func writeLarge(b *testing.B, root string) {
	b.Helper()
	put := func(name, text string) {
		if err := writeFile(filepath.Join(root, name), text); err != nil {
			b.Fatal(err)
		}
	}
	var names []string
	for index := range 100 {
		name := fmt.Sprintf("d%d.yaml", index)
		names = append(names, name)
		put("base/"+name, fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d%d\n  labels: {app: d%d}\nspec:\n  selector:\n    matchLabels: {app: d%d}\n  template:\n    metadata:\n      labels: {app: d%d}\n    spec:\n      containers:\n      - name: main\n        image: example.com/d:1\n        env:\n        - {name: A, value: b}\n        ports: [{containerPort: 80}]\n", index, index, index, index))
	}
	put("base/kustomization.yaml", "resources: ["+strings.Join(names, ", ")+"]\n")
	put("overlay/kustomization.yaml", "namespace: shop\nresources: [../base]\ncommonAnnotations: {a: b}\nimages: [{name: example.com/d, newTag: \"2\"}]\n")
}
