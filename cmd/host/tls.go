package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// certificate is that of the host, in two files. They are read again when they have changed, so that whoever renews
// them need not restart the host.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu    sync.Mutex // guards the fields below
	whole *tls.Certificate
	seen  string    // what the files looked like when they were read
	next  time.Time // they are not looked at before
}

// certificateLook is the least time between two looks at the files.
const certificateLook = time.Second

// loadCertificate reads the files for the first time.
func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.readLocked(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificate) readLocked() error {
	looks, err := c.looks()
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if looks == c.seen {
		return nil
	}
	whole, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	c.whole, c.seen = &whole, looks
	return nil
}

// looks returns what changes with the files.
func (c *certificate) looks() (text string, err error) {
	for _, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return "", err
		}
		text += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), " ")
	}
	return text, nil
}

// get is for tls.Config. While the files are not whole, as between the writing of one and of the other, the
// certificate stays what it was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); !now.Before(c.next) {
		c.next = now.Add(certificateLook)
		if err := c.readLocked(); err != nil {
			c.log.Warn("the certificate has changed and cannot be read; the former is used", "error", err)
		}
	}
	return c.whole, nil
}

// listenTLS returns l with TLS on it. HTTP/2 is offered, without which a browser sends no body as a stream, and other
// protocols that the certificates need.
func listenTLS(l net.Listener, get func(*tls.ClientHelloInfo) (*tls.Certificate, error), also ...string) net.Listener {
	return tls.NewListener(l, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     append([]string{"h2", "http/1.1"}, also...),
		GetCertificate: get,
	})
}
