package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// controlFiles names what the parts read from the data directory.
type controlFiles struct {
	address     string // host:port of the API server
	adminToken  string
	tokens      string // file of static tokens
	serviceKey  string // key that signs and verifies the tokens of service accounts
	certDir     string // where the API server makes its certificate
	certificate string // that certificate, which is its own authority
	kubeconfig  string
}

// prepareFiles makes the directory and the keys. The administrator's token is new at each start.
func prepareFiles(s settings) (controlFiles, error) {
	dir, err := filepath.Abs(s.dataDir)
	if err != nil {
		return controlFiles{}, err
	}
	f := controlFiles{
		tokens:      filepath.Join(dir, "tokens.csv"),
		serviceKey:  filepath.Join(dir, "service-accounts.key"),
		certDir:     filepath.Join(dir, "certificates"),
		certificate: filepath.Join(dir, "certificates", "apiserver.crt"),
		kubeconfig:  s.kubeconfigOut,
	}
	if f.kubeconfig == "" {
		f.kubeconfig = filepath.Join(dir, "kubeconfig")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, err
	}
	// A kubeconfig of an earlier start names another port and token.
	if err := os.Remove(f.kubeconfig); err != nil && !os.IsNotExist(err) {
		return f, err
	}
	if f.address, err = loopbackAddress(s.port); err != nil {
		return f, err
	}
	if f.adminToken, err = writeTokens(f.tokens, s.tokenAuthFile); err != nil {
		return f, err
	}
	return f, ensureServiceKey(f.serviceKey)
}

// loopbackAddress finds a free port where none is asked for. Another process could take it before the
// API server does; that one then fails to start and says so.
func loopbackAddress(port int) (string, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func writeTokens(path, further string) (string, error) {
	secret := make([]byte, 24)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	token := hex.EncodeToString(secret)
	lines := fmt.Sprintf("%s,admin,admin,\"system:masters\"\n", token)
	if further != "" {
		more, err := os.ReadFile(further)
		if err != nil {
			return "", err
		}
		lines += strings.TrimSpace(string(more)) + "\n"
	}
	return token, os.WriteFile(path, []byte(lines), 0o600)
}

// ensureServiceKey keeps a key that is there, so that tokens survive a restart on the same directory.
func ensureServiceKey(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	return os.WriteFile(path, block, 0o600)
}

// writeKubeconfig renames the finished file into place: whoever waits for it never reads a part of it.
func writeKubeconfig(f controlFiles) error {
	authority, err := os.ReadFile(f.certificate)
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["driftless"] = &clientcmdapi.Cluster{
		Server:                   "https://" + f.address,
		CertificateAuthorityData: authority,
	}
	config.AuthInfos["admin"] = &clientcmdapi.AuthInfo{Token: f.adminToken}
	config.Contexts["driftless"] = &clientcmdapi.Context{Cluster: "driftless", AuthInfo: "admin"}
	config.CurrentContext = "driftless"
	partial := f.kubeconfig + ".part"
	if err := clientcmd.WriteToFile(*config, partial); err != nil {
		return err
	}
	return os.Rename(partial, f.kubeconfig)
}
