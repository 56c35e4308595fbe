package main

import (
	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/api"
)

// edgeFlags say how a host stands in the internet: under which URL, behind which proxies, with which certificate.
type edgeFlags struct {
	publicURL string
	proxies   []string

	tlsCert, tlsKey string
}

func (f *edgeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.publicURL, "public-url", "", "https://host.example/path where clients reach the host; they are told so")
	flags.StringSliceVar(&f.proxies, "trusted-proxy", nil, "address or network, like 10.0.0.0/8, of proxies whose X-Forwarded-For is believed")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "file with the certificate and its chain, PEM; the host then speaks HTTPS")
	flags.StringVar(&f.tlsKey, "tls-key", "", "file with the certificate's key, PEM")
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
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return usagef("--tls-cert and --tls-key belong together")
	}
	if f.tlsCert != "" {
		c.tls, err = loadCertificate(f.tlsCert, f.tlsKey, c.log)
	}
	return err
}
