package worker

import (
	"bufio"
	"errors"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"
	"strings"

	"driftless.dev/renderer/internal/failure"
)

const (
	maxLines = 50
	// Longest line that is kept. What is beyond it is read and dropped, so that nobody waits for a full pipe.
	maxLine = 2000
)

// printed collects what the libraries print during one render: deprecations and the like, which become its warnings.
//
// Each render has a pipe of its own, and its end is the end of the pipe: nothing that is printed can look like the border
// between two renders, and what a goroutine prints after its render goes to a pipe that is closed.
type printed struct {
	write *os.File
	text  chan []string
}

// capture puts a new pipe where the libraries print. What the runtime itself says of a crash still goes to the real
// standard error, and the frames to the real standard output.
func capture() (*printed, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	collected := &printed{write: write, text: make(chan []string, 1)}
	os.Stderr, os.Stdout = write, write
	log.SetFlags(0)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	log.SetOutput(write)
	go func() {
		defer read.Close()
		collected.text <- lines(read)
	}()
	return collected, nil
}

// take ends the capture and returns what was printed, each line once.
func (p *printed) take() []string {
	if err := p.write.Close(); err != nil {
		return nil
	}
	return <-p.text
}

// lines reads to the end, and keeps what is worth showing.
func lines(from io.Reader) []string {
	reader := bufio.NewReaderSize(from, maxLine)
	var kept []string
	for {
		// A line that does not fit comes in pieces, of which the first is kept.
		piece, err := reader.ReadSlice('\n')
		line := failure.Cut(strings.TrimPrefix(strings.TrimSpace(string(piece)), "#"))
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = reader.ReadSlice('\n')
		}
		if line != "" && len(kept) < maxLines && !slices.Contains(kept, line) {
			kept = append(kept, line)
		}
		if err != nil {
			return kept
		}
	}
}
