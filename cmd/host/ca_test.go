package main

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	pebbleca "github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// testCA is a real ACME server: Let's Encrypt's for tests. Every name is on loopback to it, and it looks for answers to its
// challenges on two ports of the test's.
type testCA struct {
	t         *testing.T
	ca        *pebbleca.CAImpl
	directory string // URL
	rootFile  string // to trust when speaking to it
	down      atomic.Bool

	mu   sync.Mutex // guards seen
	seen []string   // the last part of each path that was asked for, while it was up
}

// startCA starts one whose certificates are valid for some seconds; 0 is 90 days.
func startCA(t *testing.T, tlsPort, httpPort int, valid uint64) *testCA {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0") // what is asked is counted
	quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
	c := &testCA{t: t}
	c.ca = pebbleca.New(quiet, store, "", "ecdsa", 0, 1, map[string]pebbleca.Profile{"default": {ValidityPeriod: valid}})
	front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, false, startDNS(t), store), c.ca, []string{"ca.example"}, false, false, 1, 1)
	handler := front.Handler()
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.down.Load() {
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		c.mu.Lock()
		c.seen = append(c.seen, strings.Trim(r.URL.Path, "/"))
		c.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	ts.Config.ErrorLog = quiet
	ts.StartTLS()
	t.Cleanup(ts.Close)
	c.directory = ts.URL + wfe.DirectoryPath
	c.rootFile = filepath.Join(t.TempDir(), "roots.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw})
	if err := os.WriteFile(c.rootFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// startDNS starts a name server for which every name is 127.0.0.1.
func startDNS(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s := &dns.Server{Listener: l, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1)})
		}
		w.WriteMsg(m)
	})}
	go s.ActivateAndServe() // ends with Shutdown
	<-ready
	t.Cleanup(func() { s.Shutdown() })
	return l.Addr().String()
}

// orders is how many certificates were asked for.
func (c *testCA) orders() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, path := range c.seen {
		if path == "order-plz" {
			n++
		}
	}
	return n
}

// trust holds the root of the certificates that it issues.
func (c *testCA) trust() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.ca.GetRootCert(0).Cert)
	return pool
}
