package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// acmeConfig says from whom certificates come, and for which names.
type acmeConfig struct {
	domains   []string // in lower case
	email     string
	directory string         // of the CA; empty is Let's Encrypt's
	roots     *x509.CertPool // to trust when speaking to it; nil is the system's
	dir       string         // keeps accounts, keys and certificates

	// Tests hurry. Zero is what an operator gets.
	retry  time.Duration // after the first failure, then twice as long each time, up to maxACMERetry; 1 min
	look   time.Duration // between looks at what is to be renewed; 10 min
	window float64       // the last part of a certificate's life, in which it is renewed unless the CA says when; 1/3
}

// acmeProtocol is by which a CA asks for its challenge on a listener with TLS (RFC 8737).
const acmeProtocol = "acme-tls/1"

// maxACMERetry bounds the time between two attempts at a certificate. Let's Encrypt lets a name fail five times an hour.
const maxACMERetry = 6 * time.Hour

// acme has certificates issued and renewed while the host serves. They are kept in a folder: a restart asks the CA for
// nothing, and a CA that is down hinders nobody who has a certificate.
type acme struct {
	acmeConfig
	log    *slog.Logger
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
	cache  *certmagic.Cache

	ctx       context.Context // of what start begins; close ends it
	cancel    context.CancelFunc
	begun     sync.WaitGroup
	closeOnce sync.Once
}

// openACME prepares for a listener with TLS at tls, on which the CA looks for an answer to its challenge, and one without at
// plain, where it may look too; nil is none. Nothing is asked before start.
func openACME(c acmeConfig, tls, plain net.Addr, log *slog.Logger) (*acme, error) {
	if c.retry == 0 {
		c.retry = time.Minute
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	a := &acme{acmeConfig: c, log: log}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	z := zap.New(zapCore{log})
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.config, nil },
		RenewCheckInterval: c.look,
		Logger:             z,
	})
	a.config = certmagic.New(a.cache, certmagic.Config{
		RenewalWindowRatio: c.window,
		DefaultServerName:  c.domains[0], // for clients that name none, such as checks by address
		Storage:            &certmagic.FileStorage{Path: c.dir},
		OnEvent:            a.event,
		Logger:             z,
	})
	template := certmagic.ACMEIssuer{
		CA: c.directory, Email: c.email, Agreed: true, TrustedRoots: c.roots, Logger: z,
		DisableHTTPChallenge: plain == nil,
	}
	// The library would listen itself where nobody does; these are where we do.
	template.ListenHost, template.AltTLSALPNPort = split(tls)
	if plain != nil {
		_, template.AltHTTPPort = split(plain)
	}
	a.issuer = certmagic.NewACMEIssuer(a.config, template)
	a.config.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

func split(a net.Addr) (host string, port int) {
	tcp := a.(*net.TCPAddr) // the only listeners there are
	if tcp.IP.IsUnspecified() {
		return "", tcp.Port
	}
	return tcp.IP.String(), tcp.Port
}

// start takes each name's certificate from the folder or from the CA, and tries again for as long as it gets none.
func (a *acme) start() {
	for _, name := range a.domains {
		a.begun.Go(func() { a.obtain(name) }) // ends with the certificate, or with close, which waits
	}
}

func (a *acme) obtain(name string) {
	for wait := a.retry; ; wait = min(2*wait, maxACMERetry) {
		err := a.config.ManageSync(a.ctx, []string{name})
		if err == nil || a.ctx.Err() != nil {
			return
		}
		a.log.Warn("there is no certificate yet, or no new one; it is tried again", "domain", name, "in", wait, "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-a.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// event tells the operator what came.
func (a *acme) event(_ context.Context, name string, data map[string]any) error {
	if name == "cert_obtained" {
		a.log.Info("a certificate was issued", "domain", data["identifier"], "renewal", data["renewal"], "issuer", data["issuer"])
	}
	return nil
}

// close gives up what is asked for and ends the renewals. It is idempotent.
func (a *acme) close() {
	a.cancel()
	a.begun.Wait()
	a.closeOnce.Do(a.cache.Stop)
}

// serves reports whether name is one that certificates are for. Others never reach the library, let alone the CA.
func (a *acme) serves(name string) bool { return slices.Contains(a.domains, strings.ToLower(name)) }

// get is for tls.Config: no certificate for a stranger's name is the alert unrecognized_name.
func (a *acme) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName != "" && !a.serves(hello.ServerName) {
		return nil, nil
	}
	return a.config.GetCertificate(hello)
}

// challenge answers the CA on the listener without TLS, and reports whether it did.
func (a *acme) challenge(w http.ResponseWriter, r *http.Request) bool {
	return a.serves(hostOnly(r.Host)) && a.issuer.HandleHTTPChallenge(w, r)
}
