// Command renderer turns a path of a repository into Kubernetes objects, by the libraries of kustomize and Helm.
//
// It speaks over its standard input and output, and expects to be started in a box: without files, network and
// environment. See internal/wire for the frames and internal/worker for the messages.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"

	"driftless.dev/renderer/internal/wire"
	"driftless.dev/renderer/internal/worker"
)

// Below what the box allows, so that the collector works before the limit ends the process, and far enough above what a
// large kustomization needs: at a limit below that the collector would run without pause.
const memoryLimit = 160 << 20

func main() {
	debug.SetMemoryLimit(memoryLimit)
	stderr := os.Stderr
	conn := wire.New(bufio.NewReaderSize(os.Stdin, 64<<10), os.Stdout)
	if err := worker.Serve(conn); err != nil {
		fmt.Fprintln(stderr, "renderer:", err)
		os.Exit(3)
	}
}
