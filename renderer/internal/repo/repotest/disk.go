// Package repotest answers a render's questions from a directory, for tests.
package repotest

import (
	"os"
	"path/filepath"
	"strings"

	"driftless.dev/renderer/internal/repo"
)

// Disk is a view of the directory root.
func Disk(root string) *repo.Repo {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		panic(err)
	}
	return repo.From(func(kind, path string) (repo.Answer, error) { return answer(root, kind, path) })
}

func answer(root, kind, path string) (repo.Answer, error) {
	resolved, err := filepath.EvalSymlinks(filepath.Join(root, path))
	if err != nil {
		return repo.Answer{Kind: repo.Missing}, nil
	}
	below, err := filepath.Rel(root, resolved)
	if err != nil || strings.HasPrefix(below, "..") {
		return repo.Answer{Kind: repo.Refused, Path: path, Message: "outside the repository"}, nil
	}
	below = strings.TrimPrefix(below, ".")
	info, err := os.Stat(resolved)
	if err != nil {
		return repo.Answer{}, err
	}
	if info.IsDir() {
		found := repo.Answer{Kind: repo.Directory, Path: below}
		if kind == "list" {
			found.Entries, err = entries(resolved)
		}
		return found, err
	}
	if kind != "read" {
		return repo.Answer{Kind: repo.File, Path: below}, nil
	}
	content, err := os.ReadFile(resolved)
	return repo.FileAnswer(below, content), err
}

func entries(dir string) ([]repo.Entry, error) {
	found, err := os.ReadDir(dir)
	var all []repo.Entry
	for _, one := range found {
		kind := repo.File
		switch {
		case one.IsDir():
			kind = repo.Directory
		case one.Type()&os.ModeSymlink != 0:
			kind = "link"
		}
		all = append(all, repo.Entry{Name: one.Name(), Kind: kind})
	}
	return all, err
}
