package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/api"
)

// edgeFlags say how a host stands in the internet: under which URL, behind which proxies, with whose certificates.
type edgeFlags struct {
	publicURL, httpListen string
	proxies               []string

	tlsCert, tlsKey string

	acmeDomains                        []string
	acmeEmail, acmeDirectory, acmeRoot string
}

// maxDomains bounds the names that certificates are asked for.
const maxDomains = 100

// maxRootFile bounds the file of --acme-root, in bytes.
const maxRootFile = 1 << 20

func (f *edgeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.publicURL, "public-url", "", "'https://host.example', or with a path, where clients reach the host; they are told so")
	flags.StringSliceVar(&f.proxies, "trusted-proxy", nil, "address or network, like '10.0.0.0/8', of proxies whose X-Forwarded-For is believed")
	flags.StringVar(&f.httpListen, "http-listen", "", "address of a second listener, without TLS, that sends to HTTPS and answers the CA")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "file with the certificate and its chain, PEM; the host then speaks HTTPS")
	flags.StringVar(&f.tlsKey, "tls-key", "", "file with the certificate's key, PEM")
	flags.StringSliceVar(&f.acmeDomains, "acme-domain", nil, "name to get certificates for by ACME, whose terms of use you agree to; the host then speaks HTTPS")
	flags.StringVar(&f.acmeEmail, "acme-email", "", "where the CA can reach you; needed with --acme-domain")
	flags.StringVar(&f.acmeDirectory, "acme-directory", "", "URL of another CA's directory than Let's Encrypt's")
	flags.StringVar(&f.acmeRoot, "acme-root", "", "file with the roots to trust when speaking to that CA, PEM, instead of the system's")
}

// apply checks the flags, alone and together, and puts what they say into c.
func (f *edgeFlags) apply(c *nodeConfig) (err error) {
	if f.publicURL != "" {
		if c.publicURL, err = api.ParsePublicURL(f.publicURL); err != nil {
			return usagef("--public-url: %v", err)
		}
	}
	if c.proxies, err = api.ParseProxies(f.proxies); err != nil {
		return usagef("--trusted-proxy: %v", err)
	}
	if err := f.contradiction(c.publicURL); err != nil {
		return err
	}
	c.httpListen = f.httpListen
	if f.tlsCert != "" {
		c.tls, err = loadCertificate(f.tlsCert, f.tlsKey, c.log)
		return err
	}
	if len(f.acmeDomains) > 0 {
		c.acme, err = f.acme(c.data)
	}
	return err
}

// contradiction refuses flags that do not go together, rather than to choose between them.
func (f *edgeFlags) contradiction(public *url.URL) error {
	files, acme := f.tlsCert != "" || f.tlsKey != "", len(f.acmeDomains) > 0
	switch {
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return usagef("--tls-cert and --tls-key belong together")
	case files && acme:
		return usagef("--tls-cert and --acme-domain are two ways to the same: choose one")
	case !acme && (f.acmeEmail != "" || f.acmeDirectory != "" || f.acmeRoot != ""):
		return usagef("--acme-email, --acme-directory and --acme-root mean nothing without --acme-domain")
	case acme && f.acmeEmail == "":
		return usagef("--acme-domain needs --acme-email, by which the CA can reach you")
	case f.httpListen != "" && !files && !acme:
		return usagef("--http-listen stands beside HTTPS: it needs --acme-domain, or --tls-cert and --tls-key")
	case f.httpListen != "" && !acme && public == nil:
		return usagef("--http-listen needs --public-url, or --acme-domain, to know where to send to")
	case public != nil && public.Scheme != "https" && (files || acme):
		return usagef("--public-url is not https, which the host speaks with these flags")
	}
	return nil
}

func (f *edgeFlags) acme(data string) (*acmeConfig, error) {
	a := &acmeConfig{email: f.acmeEmail, directory: f.acmeDirectory, dir: filepath.Join(data, "certificates")}
	if len(f.acmeDomains) > maxDomains {
		return nil, usagef("--acme-domain: more than %d names", maxDomains)
	}
	for _, d := range f.acmeDomains {
		if err := checkDomain(d); err != nil {
			return nil, usagef("--acme-domain: %v", err)
		}
		if slices.Contains(a.domains, d) {
			return nil, usagef("--acme-domain: %s is named twice", d)
		}
		a.domains = append(a.domains, d)
	}
	if m, err := mail.ParseAddress(f.acmeEmail); err != nil || m.Address != f.acmeEmail {
		return nil, usagef("--acme-email: %q is not an address like ops@host.example", f.acmeEmail)
	}
	if f.acmeDirectory != "" {
		if u, err := url.Parse(f.acmeDirectory); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
			return nil, usagef("--acme-directory: it must be an https:// URL")
		}
	}
	var err error
	if f.acmeRoot != "" {
		a.roots, err = readRoots(f.acmeRoot)
	}
	return a, err
}

// checkDomain takes the name of a host as a URL has it, and neither an address nor a wildcard: for these a CA wants what
// we do not offer.
func checkDomain(name string) error {
	u, err := api.ParsePublicURL("https://" + name)
	if _, e := netip.ParseAddr(name); err != nil || u.Hostname() != name || u.Path != "" || e == nil {
		return fmt.Errorf("%q is not the name of a host, in lower case and without a port; a wildcard or an address cannot be had", name)
	}
	return nil
}

func readRoots(file string) (*x509.CertPool, error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxRootFile {
		err = errors.New("the file is too large")
	}
	var pem []byte
	if err == nil {
		pem, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("--acme-root: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usagef("--acme-root: %s holds no certificate", file)
	}
	return pool, nil
}
