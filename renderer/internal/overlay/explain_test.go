package overlay

import (
	"os"
	"path/filepath"
	"testing"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/repo/repotest"
)

// B18+: what is wrong with a file that a kustomization names is said of that file, with the line.
func TestFileAtFault(t *testing.T) {
	const object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\ndata:\n"
	const twice = object + "  x: \"1\"\n  y: \"1\"\n  x: \"2\"\n"
	const other = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
	cases := map[string]struct {
		files map[string]string
		file  string
		line  int
	}{
		"a resource":         {map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": twice}, "a.yaml", 8},
		"a second document":  {map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "# one\n---\n" + twice}, "a.yaml", 10},
		"a base":             {map[string]string{"kustomization.yaml": "resources: [base]\n", "base/kustomization.yaml": "resources: [b.yaml]\n", "base/b.yaml": twice}, "base/b.yaml", 8},
		"one of two names":   {map[string]string{"kustomization.yaml": "resources: [base, b.yaml]\n", "b.yaml": other, "base/kustomization.yaml": "resources: [b.yaml]\n", "base/b.yaml": twice}, "base/b.yaml", 8},
		"a file beside it":   {map[string]string{"kustomization.yaml": "resources: [a.yaml, b.yaml]\n", "a.yaml": other, "b.yaml": twice}, "b.yaml", 8},
		"another mistake":    {map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": object + "  x: [\n"}, "a.yaml", 6},
		"a generated object": {map[string]string{"kustomization.yaml": "generators: [g.yaml]\n", "g.yaml": "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: a}\nliterals: [a=b]\nliterals: [a=c]\n"}, "g.yaml", 5},
	}
	for name, one := range cases {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range one.files {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Render(repotest.Disk(root), "", Options{})
			if err == nil {
				t.Fatal("it renders")
			}
			failed := failure.From(err, "")
			if failed.File != one.file || failed.Line != one.line {
				t.Errorf("%s:%d, not %s:%d: %s", failed.File, failed.Line, one.file, one.line, failed.Message)
			}
		})
	}
}
