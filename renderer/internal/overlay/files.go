package overlay

import (
	"errors"
	"path"
	"path/filepath"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/repo"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// The repository appears below a prefix: the library cleans paths lexically, and at "/" a path that climbs above the root
// would arrive as one inside.
const mount = "/repo"

var errReadOnly = errors.New("the repository can only be read")

// files is the repository as kustomize sees a disk. Only CleanedAbs and ReadFile are called by renders; the rest answers
// honestly all the same.
type files struct {
	repo *repo.Repo
	// onRead may replace what a file says, by its resolved path.
	onRead func(path string, content []byte) ([]byte, error)
}

// inside turns a path below the mount into one from the root of the repository.
func (f *files) inside(name string) (string, error) {
	cleaned := filepath.Clean(name)
	if cleaned == mount {
		return "", nil
	}
	if below, ok := strings.CutPrefix(cleaned, mount+"/"); ok {
		return below, nil
	}
	return "", f.repo.Refuse(failure.New("", "%s is outside the repository", name))
}

func (f *files) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	below, err := f.inside(name)
	if err != nil {
		return "", "", err
	}
	kind, resolved, err := f.repo.Stat(below)
	if err != nil {
		return "", "", err
	}
	at := path.Join(mount, resolved)
	if kind == repo.Directory {
		return filesys.ConfirmedDir(at), "", nil
	}
	return filesys.ConfirmedDir(path.Dir(at)), path.Base(at), nil
}

func (f *files) ReadFile(name string) ([]byte, error) {
	below, err := f.inside(name)
	if err != nil {
		return nil, err
	}
	content, resolved, err := f.repo.Read(below)
	if err != nil || f.onRead == nil {
		return content, err
	}
	return f.onRead(resolved, content)
}

func (f *files) kind(name string) repo.Kind {
	below, err := f.inside(name)
	if err != nil {
		return repo.Missing
	}
	kind, _, _ := f.repo.Stat(below)
	return kind
}

func (f *files) IsDir(name string) bool { return f.kind(name) == repo.Directory }

func (f *files) Exists(name string) bool {
	kind := f.kind(name)
	return kind == repo.Directory || kind == repo.File
}

func (f *files) ReadDir(name string) ([]string, error) {
	below, err := f.inside(name)
	if err != nil {
		return nil, err
	}
	entries, err := f.repo.List(below)
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name)
	}
	return names, err
}

func (f *files) Open(string) (filesys.File, error)        { return nil, errReadOnly }
func (f *files) Glob(string) ([]string, error)            { return nil, errReadOnly }
func (f *files) Walk(string, filepath.WalkFunc) error     { return errReadOnly }
func (f *files) Create(string) (filesys.File, error)      { return nil, errReadOnly }
func (f *files) Mkdir(string) error                       { return errReadOnly }
func (f *files) MkdirAll(string) error                    { return errReadOnly }
func (f *files) RemoveAll(string) error                   { return errReadOnly }
func (f *files) WriteFile(name string, data []byte) error { return errReadOnly }
