package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"driftless.dev/renderer/internal/chart"
	"driftless.dev/renderer/internal/object"
	"driftless.dev/renderer/internal/overlay"
	"driftless.dev/renderer/internal/plain"
	"driftless.dev/renderer/internal/repo/repotest"
	"helm.sh/helm/v4/pkg/chart/common"
)

// oracle builds the program that a renderer is compared with: kustomize's and Helm's own command line.
func oracle(t *testing.T, name string) string {
	t.Helper()
	built, err := exec.Command("../scripts/tool", name).Output()
	if err != nil {
		t.Fatalf("scripts/tool %s: %v", name, err)
	}
	return strings.TrimSpace(string(built))
}

func run(t *testing.T, program string, args ...string) ([]byte, error) {
	t.Helper()
	home := t.TempDir()
	command := exec.Command(program, args...)
	command.Env = []string{"HOME=" + home, "PATH=" + home}
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	return out.Bytes(), nil
}

// TestKustomize compares each directory with a kustomization in it: of ours, and of DRIFTLESS_SAMPLES where that is set.
func TestKustomize(t *testing.T) {
	program := oracle(t, "kustomize")
	const own = "testdata/kustomize"
	roots := []string{own}
	if samples := os.Getenv("DRIFTLESS_SAMPLES"); samples != "" {
		roots = append(roots, samples)
	}
	for _, root := range roots {
		built := 0
		for _, dir := range kustomizations(t, root) {
			t.Run(filepath.Join(filepath.Base(root), dir), func(t *testing.T) {
				text, theirErr := run(t, program, "build", filepath.Join(root, dir))
				ours, ourErr := overlay.Render(repotest.Disk(root), dir, overlay.Options{})
				if theirErr != nil && ourErr != nil && root != own {
					return
				}
				if theirErr != nil || ourErr != nil {
					t.Fatalf("kustomize: %v\nours: %v", theirErr, ourErr)
				}
				theirs, err := plain.Parse(text, "")
				if err != nil {
					t.Fatal(err)
				}
				same(t, theirs, ours)
				built += len(ours)
			})
		}
		if built == 0 {
			t.Errorf("nothing was compared in %s", root)
		}
	}
}

func kustomizations(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(at string, entry os.DirEntry, err error) error {
		if err == nil && slices.Contains(overlay.Names, entry.Name()) {
			dir, relErr := filepath.Rel(root, filepath.Dir(at))
			all = append(all, strings.TrimPrefix(dir, "."))
			return relErr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestHelm compares our charts, and the one that helm itself creates.
func TestHelm(t *testing.T) {
	program := oracle(t, "helm")
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("testdata/charts")); err != nil {
		t.Fatal(err)
	}
	starter := filepath.Join(root, "starter")
	if _, err := run(t, program, "create", starter); err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(root, "packed")
	if _, err := run(t, program, "package", filepath.Join(root, "full", "charts", "cache"), "-d", filepath.Join(packed, "charts")); err != nil {
		t.Fatal(err)
	}
	cases := map[string][]string{
		"starter":              nil,
		"starter with ingress": {"starter-values.yaml"},
		"full":                 nil,
		"full with files":      {"full/production.yaml", "more.yaml"},
		"packed":               nil,
	}
	for name, files := range cases {
		t.Run(name, func(t *testing.T) {
			dir, _, _ := strings.Cut(name, " ")
			args := []string{"template", "shop", filepath.Join(root, dir), "--namespace", "prod", "--kube-version", "v1.35.1",
				"--api-versions", "monitoring.coreos.com/v1", "--include-crds", "--skip-tests"}
			for _, file := range files {
				args = append(args, "--values", filepath.Join(root, file))
			}
			text, err := run(t, program, args...)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := plain.Parse(text, "")
			if err != nil {
				t.Fatal(err)
			}
			ours, err := chart.Render(repotest.Disk(root), dir, chart.Options{
				Release: "shop", Namespace: "prod", ValuesFiles: files, KubeVersion: "v1.35.1",
				APIVersions: append(slices.Clone(common.DefaultVersionSet), "monitoring.coreos.com/v1"),
			})
			if err != nil {
				t.Fatal(err)
			}
			same(t, theirs, ours.Objects)
		})
	}
}

// same compares object by object: the order is of no account.
func same(t *testing.T, theirs, ours []object.Object) {
	t.Helper()
	left := map[string]map[string]any{}
	for _, one := range ours {
		left[object.Key(one.Content)] = one.Content
	}
	for _, one := range theirs {
		name := object.Name(one.Content)
		mine, found := left[object.Key(one.Content)]
		if !found {
			t.Errorf("we do not make %s", name)
		} else if !reflect.DeepEqual(mine, one.Content) {
			t.Errorf("%s\ntheirs: %v\nours:   %v", name, one.Content, mine)
		}
		delete(left, object.Key(one.Content))
	}
	for _, extra := range left {
		t.Errorf("only we make %s", object.Name(extra))
	}
}
