package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

func apiServerArguments(s settings, f controlFiles, etcd string) []string {
	host, port, _ := net.SplitHostPort(f.address)
	return []string{
		"--etcd-servers=" + etcd,
		"--bind-address=" + host,
		"--secure-port=" + port,
		"--permit-port-sharing=true",
		// Nothing but this machine reaches it; loopback addresses can't be endpoints of a Service.
		"--advertise-address=" + host,
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + f.certDir,
		"--token-auth-file=" + f.tokens,
		"--authorization-mode=RBAC",
		"--anonymous-auth=true",
		// Pods run nowhere, so none needs a token mounted.
		"--disable-admission-plugins=ServiceAccount",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + f.serviceKey,
		"--service-account-signing-key-file=" + f.serviceKey,
		"--service-cluster-ip-range=" + s.serviceCIDR,
		"--allow-privileged=true",
	}
}

// waitForServer returns a client once the API server says that it is ready, bootstrap roles included.
func waitForServer(ctx context.Context, s settings, f controlFiles) (*rest.Config, *kubernetes.Clientset, error) {
	var config *rest.Config
	err := poll(ctx, s.readyTimeout, "kube-apiserver", func(ctx context.Context) error {
		if _, err := os.Stat(f.certificate); err != nil {
			return err
		}
		if err := writeKubeconfig(f); err != nil {
			return err
		}
		var err error
		if config, err = clientcmd.BuildConfigFromFlags("", f.kubeconfig); err != nil {
			return err
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		return client.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
	if err != nil {
		return nil, nil, err
	}
	// The parts behind it are many; the client's own limit would only slow the tests down.
	config.QPS, config.Burst = -1, -1
	client, err := kubernetes.NewForConfig(config)
	return config, client, err
}

// waitForControllers returns once the controllers have done what every namespace needs.
func waitForControllers(ctx context.Context, s settings, client *kubernetes.Clientset) error {
	return poll(ctx, s.readyTimeout, "kube-controller-manager", func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		if err != nil {
			return err
		}
		_, err = client.CoreV1().ConfigMaps("default").Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		return err
	})
}

func poll(ctx context.Context, limit time.Duration, what string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		last := ready(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", what, last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func announce(s settings, f controlFiles) {
	path, err := filepath.Abs(f.kubeconfig)
	if err != nil {
		path = f.kubeconfig
	}
	fmt.Printf("ready https://%s %s\n", f.address, path)
	// Whoever waited for that line may not read another.
	os.Stdout = os.Stderr
}
