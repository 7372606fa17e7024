// Command bare is what the renderer is measured against: kustomize's library alone, warm, on a directory of the disk.
//
//	bare ROUNDS DIR    prints the median of a round in nanoseconds
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strconv"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func main() {
	log.SetOutput(io.Discard)
	if err := measure(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func measure(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: bare ROUNDS DIR")
	}
	rounds, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var times []time.Duration
	// The first one parses the schema.
	for round := range rounds + 1 {
		started := time.Now()
		if err := build(args[1]); err != nil {
			return err
		}
		if round > 0 {
			times = append(times, time.Since(started))
		}
	}
	slices.Sort(times)
	_, err = fmt.Println(times[len(times)/2].Nanoseconds())
	return err
}

func build(dir string) error {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return err
	}
	_, err = built.AsYaml()
	return err
}
