package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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
	if f.address, err = reservePort(s.port); err != nil {
		return f, err
	}
	if f.adminToken, err = writeTokens(f.tokens, s.tokenAuthFile); err != nil {
		return f, err
	}
	return f, ensureServiceKey(f.serviceKey)
}

// reservePort binds a loopback port for as long as we live, without listening on it, so that no other process is
// given it before the API server listens there; that one shares it by --permit-port-sharing.
func reservePort(port int) (string, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return "", err
	}
	if err := unix.Bind(socket, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", fmt.Errorf("port %d of 127.0.0.1: %w", port, err)
	}
	bound, err := unix.Getsockname(socket)
	if err != nil {
		return "", err
	}
	address, ok := bound.(*unix.SockaddrInet4)
	if !ok {
		return "", fmt.Errorf("an address of an unexpected family: %v", bound)
	}
	return fmt.Sprintf("127.0.0.1:%d", address.Port), nil
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
