// Package repo asks the host for the files of the repository. It is the only way by which a render sees any.
//
// Paths are relative to the root of the repository; the host resolves them, follows the links inside, and refuses by name
// what leads out of it. Whatever it answers is written down there as the render's trace.
package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"driftless.dev/renderer/internal/failure"
	"driftless.dev/renderer/internal/wire"
)

// Kind is what a path leads to.
type Kind string

const (
	File      Kind = "file"
	Directory Kind = "directory"
	Missing   Kind = "missing"
	Refused   Kind = "refused"
)

// Answer is what the host found. Path is the resolved path, after links, or the one that the message is about.
type Answer struct {
	Kind    Kind    `json:"kind"`
	Path    string  `json:"path"`
	Message string  `json:"message"`
	Entries []Entry `json:"entries"`
	body    []byte
}

// Entry is one name of a directory. Its kind is "link" for a link, which Stat follows.
type Entry struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
}

type question struct {
	Kind string `json:"kind"`
	Path string `json:"path"`
}

// Repo is one render's view. It remembers every answer, so that a second pass sees the same and costs nothing.
type Repo struct {
	ask     func(kind, path string) (Answer, error)
	known   map[question]Answer
	read    []string
	refused *failure.Failure
}

// New makes a view that asks over conn. A broken pipe ends the worker: there is nobody left to answer.
func New(conn *wire.Conn) *Repo {
	return From(func(kind, path string) (Answer, error) {
		if err := conn.Send(question{kind, path}, nil); err != nil {
			return Answer{}, err
		}
		var answer Answer
		body, err := conn.Receive(&answer)
		answer.body = body
		return answer, err
	})
}

// From makes a view over any source of answers.
func From(ask func(kind, path string) (Answer, error)) *Repo {
	return &Repo{ask: ask, known: map[question]Answer{}}
}

// FileAnswer is the answer for a file with its content.
func FileAnswer(path string, body []byte) Answer {
	return Answer{Kind: File, Path: path, body: body}
}

// Broken is panicked with when the host is gone.
type Broken struct{ Err error }

func (r *Repo) answer(kind, path string) (Answer, error) {
	asked := question{kind, path}
	answer, known := r.known[asked]
	if !known {
		var err error
		if answer, err = r.ask(kind, path); err != nil {
			panic(Broken{err})
		}
		r.known[asked] = answer
		if kind == "read" && answer.Kind == File {
			r.read = append(r.read, answer.Path)
		}
	}
	switch answer.Kind {
	case Refused:
		return answer, r.Refuse(failure.New(answer.Path, "%s", answer.Message))
	case Missing:
		return answer, &fs.PathError{Op: kind, Path: path, Err: fs.ErrNotExist}
	case File, Directory:
		return answer, nil
	}
	panic(Broken{fmt.Errorf("the host answered with kind %q", answer.Kind)})
}

// Refuse remembers the first thing that was refused: libraries wrap it, try something else, or go on without.
func (r *Repo) Refuse(why *failure.Failure) error {
	if r.refused == nil {
		r.refused = why
	}
	return why
}

// WasRefused returns the first refusal, or nil.
func (r *Repo) WasRefused() *failure.Failure { return r.refused }

// WasRead returns the resolved paths of all files that were read, in order.
func (r *Repo) WasRead() []string { return r.read }

// Read returns a file's content and its path after links.
func (r *Repo) Read(path string) ([]byte, string, error) {
	answer, err := r.answer("read", path)
	if err != nil {
		return nil, "", err
	}
	if answer.Kind != File {
		return nil, "", fmt.Errorf("%s is a directory", path)
	}
	return answer.body, answer.Path, nil
}

// Stat returns what a path leads to, and where.
func (r *Repo) Stat(path string) (Kind, string, error) {
	answer, err := r.answer("stat", path)
	return answer.Kind, answer.Path, err
}

// List returns the direct names in a directory, in byte order.
func (r *Repo) List(path string) ([]Entry, error) {
	answer, err := r.answer("list", path)
	if err == nil && answer.Kind != Directory {
		err = fmt.Errorf("%s is not a directory", path)
	}
	return answer.Entries, err
}

// IsMissing tells an absent path from everything else.
func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Join puts a name below a directory, whose path may be the root's, "".
func Join(dir, name string) string {
	return strings.TrimPrefix(dir+"/"+name, "/")
}
