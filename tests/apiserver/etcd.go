package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// etcdStore is the embedded etcd and the address at which it serves.
type etcdStore struct {
	server   *embed.Etcd
	endpoint string
}

// startEtcd runs a single member on free loopback ports and waits until it serves.
func startEtcd(dir string) (*etcdStore, error) {
	anyPort := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config := embed.NewConfig()
	config.Dir = dir
	config.ListenClientUrls = []url.URL{anyPort}
	config.AdvertiseClientUrls = []url.URL{anyPort}
	config.ListenPeerUrls = []url.URL{anyPort}
	config.AdvertisePeerUrls = []url.URL{anyPort}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.LogLevel = "error"
	config.LogOutputs = []string{"stderr"}
	// The data needs to survive a restart of the process at most, never of the machine.
	config.UnsafeNoFsync = true
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		server.Close()
		return nil, err
	case <-time.After(30 * time.Second):
		server.Close()
		return nil, errors.New("not ready within 30 seconds")
	}
	return &etcdStore{server: server, endpoint: fmt.Sprintf("http://%s", server.Clients[0].Addr())}, nil
}

func (e *etcdStore) close() {
	e.server.Close()
}
