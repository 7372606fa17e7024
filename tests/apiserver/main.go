// Apiserver is a Kubernetes control plane in one process, for the tests and for `driftless dev`: etcd,
// kube-apiserver, kube-controller-manager and kube-scheduler, unchanged, from their own modules.
//
// It listens on a loopback port, writes a kubeconfig for an administrator and prints one line when every
// part answers. It ends on SIGTERM, SIGINT, or when its standard input closes, so that it can't outlive the
// process that started it, however that one dies. It is no production cluster: etcd never calls fsync.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// settings is what the command line says.
type settings struct {
	dataDir         string
	kubeconfigOut   string
	port            int
	tokenAuthFile   string
	serviceCIDR     string
	readyTimeout    time.Duration
	shutdownTimeout time.Duration
	removeAtEnd     string
}

func main() {
	var s settings
	flag.StringVar(&s.dataDir, "data-dir", "", "directory for etcd's data, keys and certificates; made if absent (required)")
	flag.StringVar(&s.kubeconfigOut, "kubeconfig-out", "", "where to write the administrator's kubeconfig (default DATA-DIR/kubeconfig)")
	flag.IntVar(&s.port, "port", 0, "loopback port of the API server; 0 takes a free one")
	flag.StringVar(&s.tokenAuthFile, "token-auth-file", "", "further tokens, as kube-apiserver reads them: token,user,uid,\"group,group\"")
	flag.StringVar(&s.serviceCIDR, "service-cluster-ip-range", "10.96.0.0/16", "addresses of Services")
	flag.DurationVar(&s.readyTimeout, "ready-timeout", time.Minute, "how long the parts may take to be ready")
	flag.DurationVar(&s.shutdownTimeout, "shutdown-timeout", 10*time.Second, "how long an orderly end may take")
	flag.StringVar(&s.removeAtEnd, "remove-at-end", "", "directory to remove at the end, with all that is in it")
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "apiserver:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	if flag.NArg() > 0 || s.dataDir == "" {
		return errors.New("usage: apiserver --data-dir DIR [--kubeconfig-out FILE] [--port N] [--token-auth-file FILE]")
	}
	if s.removeAtEnd != "" {
		defer os.RemoveAll(s.removeAtEnd)
	}
	files, err := prepareFiles(s)
	if err != nil {
		return err
	}
	store, err := startEtcd(filepath.Join(s.dataDir, "etcd"))
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	// After the API server, whose last writes it still takes.
	defer store.close()

	// The command installs the handler of signals; its context ends with the first of them.
	command := app.NewAPIServerCommand()
	ctx, cancel := context.WithCancelCause(command.Context())
	defer cancel(nil)
	stopWhenInputCloses(os.Stdin)

	command.SetArgs(apiServerArguments(s, files, store.endpoint))
	ended := make(chan error, 1)
	go func() { ended <- command.ExecuteContext(ctx) }()

	var parts sync.WaitGroup
	go func() {
		if err := startControllers(ctx, cancel, &parts, s, files); err != nil {
			cancel(err)
		}
	}()

	select {
	case err = <-ended:
		if err == nil && ctx.Err() == nil {
			err = errors.New("kube-apiserver ended by itself")
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
		if command.Context().Err() != nil {
			err = nil // a signal, not a failure
		}
		endWithin(s.shutdownTimeout, ended, &parts)
	}
	return err
}

// endWithin waits for the API server and the controllers, at most for the time given: the data is
// throw-away, and whoever asked us to end is waiting.
func endWithin(limit time.Duration, server <-chan error, parts *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		<-server
		parts.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(limit):
		fmt.Fprintln(os.Stderr, "apiserver: not everything ended within", limit)
	}
}

// stopWhenInputCloses asks for an orderly end once nobody holds the other side of our standard input.
func stopWhenInputCloses(input io.Reader) {
	go func() {
		_, _ = io.Copy(io.Discard, input)
		genericapiserver.RequestShutdown()
	}()
}
