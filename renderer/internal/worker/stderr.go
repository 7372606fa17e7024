package worker

import (
	"bufio"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
)

const maxLines = 50

// lines collects what the libraries print as they go: deprecations and the like, which become the render's warnings.
type lines struct {
	mutex sync.Mutex
	text  []string
	write *os.File
	// Receives once per mark that came through the pipe.
	marks chan struct{}
}

const mark = "\x00mark"

// captureStderr puts a pipe where the libraries print. What the runtime itself says of a crash still goes to the real one.
func captureStderr() (*lines, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	collected := &lines{write: write, marks: make(chan struct{}, 1)}
	os.Stderr = write
	log.SetFlags(0)
	log.SetOutput(write)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	log.SetOutput(write)
	go collected.run(read)
	return collected, nil
}

func (l *lines) run(from io.Reader) {
	reader := bufio.NewReader(from)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#"))
		if line == mark {
			l.marks <- struct{}{}
			continue
		}
		l.mutex.Lock()
		if line != "" && len(l.text) < maxLines && !slices.Contains(l.text, line) {
			l.text = append(l.text, line)
		}
		l.mutex.Unlock()
	}
}

// take returns what came since the last time, each line once.
func (l *lines) take() []string {
	if _, err := io.WriteString(l.write, mark+"\n"); err != nil {
		return nil
	}
	<-l.marks
	l.mutex.Lock()
	defer l.mutex.Unlock()
	taken := l.text
	l.text = nil
	return taken
}
