package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/internal/hosttest"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// freeAddr returns a loopback address that nobody listens on, and its port.
func freeAddr(t *testing.T) (string, int) {
	t.Helper()
	addr := hosttest.FreeAddr(t)
	return addr, int(netip.MustParseAddrPort(addr).Port())
}

// handshake returns the certificate that a handshake under a name ends with.
func handshake(addr, name string, trust *x509.CertPool) (*x509.Certificate, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 30 * time.Second}, "tcp", addr, &tls.Config{ServerName: name, RootCAs: trust})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

// issued waits for the certificate of a name.
func issued(t *testing.T, addr, name string, trust *x509.CertPool) *x509.Certificate {
	t.Helper()
	var cert *x509.Certificate
	var err error
	kvtest.Eventually(t, "a certificate of "+name, func() bool { cert, err = handshake(addr, name, trust); return err == nil })
	return cert
}

// startACME runs a node with certificates from ca for host.example and other.example.
func startACME(t *testing.T, ca *testCA, addr, data string, change func(*nodeConfig)) (*node, *kvtest.Log) {
	t.Helper()
	roots, err := readRoots(ca.rootFile)
	if err != nil {
		t.Fatal(err)
	}
	log := &kvtest.Log{}
	c := nodeConfig{
		data: data, listen: addr, key: make([]byte, 32), dev: true, log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		acme: &acmeConfig{
			domains: []string{"host.example", "other.example"}, email: "ops@host.example", directory: ca.directory, roots: roots,
			dir: filepath.Join(data, "certificates"), retry: 20 * time.Millisecond,
		},
	}
	if change != nil {
		change(&c)
	}
	n, err := startNode(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop() })
	return n, log
}

// As an operator would, behind a held socket: certificates are issued, serve HTTP/2, and outlast a restart without the CA.
func TestServeWithACME(t *testing.T) {
	held, url := hold(t)
	addr := strings.TrimPrefix(url, "http://")
	_, port, _ := net.SplitHostPort(addr)
	tlsPort := 0
	fmt.Sscan(port, &tlsPort)
	ca := startCA(t, tlsPort, 1, 0)
	dir := t.TempDir()
	key, data := filepath.Join(dir, "key"), filepath.Join(dir, "data")
	if _, err := tenants.CreateKey(key); err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--key-file", key, "--data", data, "--acme-domain", "host.example,other.example", "--acme-email", "ops@host.example",
		"--acme-directory", ca.directory, "--acme-root", ca.rootFile, "--public-url", "https://host.example/viv"}
	p := behind(t, held, url, "1", args...)
	first := map[string]*x509.Certificate{}
	for _, name := range []string{"host.example", "other.example"} {
		p.await(name, func() bool { c, err := handshake(addr, name, ca.trust()); first[name] = c; return err == nil })
		if err := first[name].VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{ServerName: "HOST.example", RootCAs: ca.trust()}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr + "/metadata")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(resp.Body); resp.Proto != "HTTP/2.0" || !strings.Contains(string(b), `"clientEndpoint":"https://host.example/viv"`) {
		t.Errorf("%s %s", resp.Proto, b)
	}
	resp.Body.Close()
	client.CloseIdleConnections()

	orders := ca.orders()
	for _, name := range []string{"evil.example", "a.host.example", "host.example.evil.example", "localhost"} {
		if _, err := handshake(addr, name, ca.trust()); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "evil.example", NextProtos: []string{acmeProtocol}, InsecureSkipVerify: true}); err == nil {
		c.Close()
		t.Error("a challenge for a stranger's name is answered")
	}
	if n := ca.orders(); n != orders || n != 2 {
		t.Errorf("the CA was asked %d times, then %d, want 2", orders, n)
	}
	checkPrivate(t, filepath.Join(data, "certificates"))

	for _, down := range []bool{true, false} {
		p.Kill()
		ca.down.Store(down)
		p = behind(t, held, url, "1", args...)
		for name, want := range first {
			p.await(name, func() bool { _, err := handshake(addr, name, ca.trust()); return err == nil })
			if got, err := handshake(addr, name, ca.trust()); err != nil || got.SerialNumber.Cmp(want.SerialNumber) != 0 {
				t.Errorf("after a restart, with a CA that is down: %v, %s has another certificate: %v", down, name, err)
			}
		}
	}
	if n := ca.orders(); n != orders {
		t.Errorf("after the restarts the CA was asked for %d certificates, before for %d", n, orders)
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.Printed())
	}
}

// checkPrivate fails if others may read what lies in dir.
func checkPrivate(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !d.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files < 6 {
		t.Errorf("%d files, %v", files, err)
	}
}

// A certificate is replaced while the host serves, well before its end.
func TestACMERenewal(t *testing.T) {
	addr, port := freeAddr(t)
	ca := startCA(t, port, 1, 3600)
	startACME(t, ca, addr, t.TempDir(), func(c *nodeConfig) {
		c.acme.look, c.acme.window = 50*time.Millisecond, 0.9999 // due after a third of a second
	})
	first := issued(t, addr, "host.example", ca.trust())
	kvtest.Eventually(t, "another certificate", func() bool {
		c, err := handshake(addr, "host.example", ca.trust())
		if err != nil {
			t.Fatal(err)
		}
		return c.SerialNumber.Cmp(first.SerialNumber) != 0
	})
}

// Without a CA and without a certificate the host stays up, says what is wrong, and serves as soon as it can.
func TestACMEWaitsForTheCA(t *testing.T) {
	addr, port := freeAddr(t)
	ca := startCA(t, port, 1, 0)
	ca.down.Store(true)
	n, log := startACME(t, ca, addr, t.TempDir(), nil)
	kvtest.Eventually(t, "three attempts", func() bool { return strings.Contains(log.String(), "domain=host.example in=80ms") })
	for _, want := range []string{"level=WARN msg=\"there is no certificate yet", "domain=host.example in=20ms", "domain=host.example in=40ms", ca.directory} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the CA's trouble is told as the host's: %s", log.String())
	}
	if _, err := handshake(addr, "host.example", ca.trust()); err == nil || !strings.Contains(err.Error(), "remote error: tls") {
		t.Errorf("without a certificate: %v", err)
	}
	select {
	case err := <-n.served:
		t.Fatalf("the host ended: %v", err)
	default:
	}
	ca.down.Store(false)
	issued(t, addr, "host.example", ca.trust())
	issued(t, addr, "other.example", ca.trust())
}

// A CA that cannot reach the listener with TLS asks on the one without.
func TestACMEByHTTP(t *testing.T) {
	addr, _ := freeAddr(t)
	plain, httpPort := freeAddr(t)
	ca := startCA(t, 1, httpPort, 0) // nobody listens on port 1
	startACME(t, ca, addr, t.TempDir(), func(c *nodeConfig) { c.httpListen = plain })
	issued(t, addr, "host.example", ca.trust())
	resp := plainRequest(t, plain, "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: host.example\r\n\r\n")
	if resp.StatusCode != http.StatusPermanentRedirect {
		t.Errorf("a challenge that nobody asked for: %d", resp.StatusCode)
	}
}

// A host that is stopped while it waits for the CA stops at once.
func TestACMEStops(t *testing.T) {
	addr, port := freeAddr(t)
	ca := startCA(t, port, 1, 0)
	ca.down.Store(true)
	n, log := startACME(t, ca, addr, t.TempDir(), func(c *nodeConfig) { c.acme.retry = time.Hour })
	kvtest.Eventually(t, "an attempt", func() bool { return strings.Contains(log.String(), "in=1h0m0s") })
	if err := n.stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(n.acme.dir, "locks")); err == nil {
		if left, _ := os.ReadDir(filepath.Join(n.acme.dir, "locks")); len(left) > 0 {
			t.Errorf("%d locks are left", len(left))
		}
	}
}
