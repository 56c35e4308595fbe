package testkit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

// world is the network that the guest fetches from: one server on loopback that stands for all others, and
// answers http and https alike.
type world struct {
	addr string // empty if there is none
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

// openWorld starts the server and stops it when the test ends. Nil means that there is nothing to reach.
func openWorld(tb testing.TB, serve http.HandlerFunc) *world {
	tb.Helper()
	w := &world{}
	if serve == nil {
		return w
	}
	if err := w.makeRoot(); err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	w.addr = l.Addr().String()
	s := &http.Server{
		Handler:     absolute(serve),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	served := make(chan struct{})
	go func() { defer close(served); s.Serve(either{l, &tls.Config{GetCertificate: w.certificate}}) }() // ends with Close
	tb.Cleanup(func() { s.Close(); <-served })
	return w
}

// configure leads the guests of a host to the world.
func (w *world) configure(c *actors.Config, secrets map[string]string) {
	c.Secrets = func(_ tenants.ID, _, name, _ string) (string, error) {
		if s, ok := secrets[name]; ok {
			return s, nil
		}
		return "", fmt.Errorf("testkit: Options.Secrets has no %q", name)
	}
	if w.addr == "" {
		return
	}
	c.Roots = x509.NewCertPool()
	c.Roots.AddCert(w.root)
	c.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", w.addr)
	}
}

// connKey finds the connection in the context of its requests.
type connKey struct{}

// absolute completes the URL of requests, so that one handler can tell servers apart.
func absolute(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Host, r.URL.Scheme = r.Host, "http"
		if c, ok := r.Context().Value(connKey{}).(*eitherConn); ok && c.secure() {
			r.URL.Scheme = "https"
		}
		h.ServeHTTP(w, r)
	})
}

// makeRoot makes who signs the certificates of all servers.
func (w *world) makeRoot() (err error) {
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	now := time.Now() // TLS is in real time
	w.root = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "testkit"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, w.root, w.root, &w.key.PublicKey, w.key)
	if err != nil {
		return err
	}
	w.root, err = x509.ParseCertificate(der)
	return err
}

// certificate makes the certificate of whatever server a client wants.
func (w *world) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: w.root.NotBefore, NotAfter: w.root.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if hello.ServerName != "" {
		leaf.DNSNames = []string{hello.ServerName}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, w.root, &w.key.PublicKey, w.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: w.key}, err
}

// either accepts connections that may begin with TLS or not.
type either struct {
	net.Listener
	tls *tls.Config
}

// Accept implements net.Listener.
func (l either) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &eitherConn{Conn: c, tls: l.tls}, nil
}

// eitherConn finds out by its first byte what a connection is. The client speaks first.
type eitherConn struct {
	net.Conn // as it was accepted, for all but reads and writes
	tls      *tls.Config
	once     sync.Once
	spoken   net.Conn // with TLS or without; set by begin
	err      error
}

// tlsRecord is the first byte of a TLS handshake.
const tlsRecord = 22

func (c *eitherConn) begin() {
	var first [1]byte
	if _, c.err = c.Conn.Read(first[:]); c.err != nil {
		return
	}
	c.spoken = &pushed{Conn: c.Conn, back: first[:]}
	if first[0] == tlsRecord {
		c.spoken = tls.Server(c.spoken, c.tls)
	}
}

// Read implements net.Conn.
func (c *eitherConn) Read(p []byte) (int, error) {
	if c.once.Do(c.begin); c.err != nil {
		return 0, c.err
	}
	return c.spoken.Read(p)
}

// Write implements net.Conn. Something was read before.
func (c *eitherConn) Write(p []byte) (int, error) { return c.spoken.Write(p) }

// secure reports whether a request that was read came by TLS.
func (c *eitherConn) secure() bool { _, ok := c.spoken.(*tls.Conn); return ok }

// pushed is a connection of which something was read already.
type pushed struct {
	net.Conn
	back []byte
}

// Read implements net.Conn.
func (c *pushed) Read(p []byte) (int, error) {
	if len(c.back) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.back)
	c.back = c.back[n:]
	return n, nil
}
