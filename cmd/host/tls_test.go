package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// authority signs certificates for loopback.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	last int64 // serial
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key = a.newKey()
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1 << 40), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der := a.sign(a.cert, &a.key.PublicKey)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return k
}

func (a *authority) sign(c *x509.Certificate, key *ecdsa.PublicKey) []byte {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// write makes a new certificate in two files and returns its serial.
func (a *authority) write(certFile, keyFile string) int64 {
	a.t.Helper()
	a.last++
	key := a.newKey()
	der := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(a.last), Subject: pkix.Name{CommonName: "host"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &key.PublicKey)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return a.last
}

func (a *authority) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool}
}

// startTLS runs a node with a certificate of a's.
func startTLS(t *testing.T, a *authority) (n *node, cert *certificate) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.write(certFile, keyFile)
	log := slog.New(slog.DiscardHandler)
	cert, err := loadCertificate(certFile, keyFile, log)
	if err != nil {
		t.Fatal(err)
	}
	n, err = startNode(nodeConfig{data: filepath.Join(dir, "data"), listen: "127.0.0.1:0", key: bytes.Repeat([]byte{1}, 32), dev: true, log: log, tls: cert})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop() })
	return n, cert
}

// Browsers get HTTP/2, on which they stream bodies, and WebSockets beside it.
func TestTLS(t *testing.T) {
	a := newAuthority(t)
	n, _ := startTLS(t, a)
	if !strings.HasPrefix(n.url(), "https://127.0.0.1:") {
		t.Errorf("the host is at %s", n.url())
	}
	client := &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{TLSClientConfig: a.trust(), ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	do := func(method, path string, body io.Reader) string {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), method, n.url()+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/wasm")
		if method == "POST" {
			r.Header.Set("Content-Type", "application/json")
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode/100 != 2 || resp.Proto != "HTTP/2.0" {
			t.Fatalf("%s %s: %s %d %s %v", method, path, resp.Proto, resp.StatusCode, b, err)
		}
		return string(b)
	}
	do("PUT", "/modules/counter", bytes.NewReader(actorstest.Guest(t, "examples/wasm/counter")))
	const at = "/gateway/counter/action/increment?rvt-method=getOrCreate&rvt-key=k&rvt-runner=default"
	stream := io.MultiReader(strings.NewReader(`{"args"`), strings.NewReader(`:[2]}`)) // of a length that nobody knows
	if got := do("POST", at, stream); got != `{"output":2}` {
		t.Errorf("increment is %s", got)
	}
	d := websocket.Dialer{TLSClientConfig: a.trust(), Subprotocols: []string{"rivet", "rivet_encoding.json"}}
	ws, _, err := d.Dial(strings.Replace(n.url(), "https:", "wss:", 1)+"/gateway/counter/connect?rvt-method=get&rvt-key=k", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if _, m, err := ws.ReadMessage(); err != nil || !strings.Contains(string(m), `"Init"`) {
		t.Errorf("got %s, %v", m, err)
	}
	addr := n.listener.Addr().String()
	if resp, err := http.Get("http://" + addr + "/readyz"); err != nil || resp.StatusCode != 400 {
		t.Errorf("without TLS: %v %v", resp, err)
	}
	old := a.trust()
	old.MaxVersion = tls.VersionTLS11
	if c, err := tls.Dial("tcp", addr, old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is taken")
	}
}

// A new certificate is used without a restart, and one that is half written is not.
func TestTLSRenewal(t *testing.T) {
	a := newAuthority(t)
	n, cert := startTLS(t, a)
	serial := func() int64 {
		t.Helper()
		c, err := tls.Dial("tcp", n.listener.Addr().String(), a.trust())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("serial %d, want 1", got)
	}
	whole, err := os.ReadFile(cert.certFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert.certFile, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	cert.mu.Lock()
	cert.next = time.Time{} // the next handshake looks
	cert.mu.Unlock()
	if got := serial(); got != 1 {
		t.Fatalf("serial %d with half a file, want 1", got)
	}
	want := a.write(cert.certFile, cert.keyFile)
	kvtest.Eventually(t, "the new certificate is used", func() bool { return serial() == want })
}

func TestTLSRefused(t *testing.T) {
	a := newAuthority(t)
	dir := t.TempDir()
	certFile, keyFile, other := filepath.Join(dir, "c"), filepath.Join(dir, "k"), filepath.Join(dir, "o")
	a.write(certFile, other)
	a.write(filepath.Join(dir, "x"), keyFile)
	for name, files := range map[string][2]string{
		"no file": {filepath.Join(dir, "none"), keyFile}, "another's key": {certFile, keyFile}, "swapped": {other, certFile},
	} {
		if _, err := loadCertificate(files[0], files[1], slog.Default()); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	key := filepath.Join(dir, "signing")
	if _, err := tenants.CreateKey(key); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := run([]string{"serve", "--key-file", key, "--data", filepath.Join(dir, "data"), "--tls-cert", certFile}, &out, &out); code != 2 || !strings.Contains(out.String(), "--tls-key") {
		t.Errorf("a certificate without a key: %d %s", code, out.String())
	}
}
