package egress

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Config says how a client reaches the network. Zero means the value in brackets.
type Config struct {
	Logger *slog.Logger // [discards]

	// OwnAddrs returns the addresses that this process listens on; an unspecified one stands for each
	// address of the machine. They are refused, also where AllowLoopback lists them. [none]
	OwnAddrs func() []netip.AddrPort

	// AllowLoopback lists "host:port" that guests may reach at a loopback address, for tests and
	// development. The host is compared with that of the URL, so that a name which a stranger points to
	// 127.0.0.1 does not profit; the policy must allow it, too. [none]
	AllowLoopback []string

	// Dial opens the connections to "host:port" in place of the network, for tests: none of the rules about
	// addresses applies to them. [the network]
	Dial func(ctx context.Context, address string) (net.Conn, error)

	Resolver *net.Resolver  // [the system's]
	Roots    *x509.CertPool // of servers' certificates [the system's]

	Connect   time.Duration // resolution and connection; and again the TLS handshake [5 s]
	Header    time.Duration // from the request until the answer's header [30 s]
	Silence   time.Duration // from one piece of a body to the next, while somebody waits for it [60 s]
	MaxBody   int64         // of an answer, decompressed, and of a request, in bytes [abi.MaxFetchBody]
	MaxHeader int           // of request and answer, in bytes, each [64 KiB]
	Redirects int           // that are followed; negative means none [10]

	MaxPerClass int // requests of one class at a time; more wait [32]
	MaxRequests int // requests at a time; more wait [512]
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OwnAddrs == nil {
		c.OwnAddrs = func() []netip.AddrPort { return nil }
	}
	setDefault(&c.Connect, 5*time.Second)
	setDefault(&c.Header, 30*time.Second)
	setDefault(&c.Silence, time.Minute)
	setDefault(&c.MaxBody, abi.MaxFetchBody)
	setDefault(&c.MaxHeader, 64<<10)
	setDefault(&c.Redirects, 10)
	setDefault(&c.MaxPerClass, 32)
	setDefault(&c.MaxRequests, 512)
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

func (c *Config) validate() error {
	if c.Connect < 0 || c.Header < 0 || c.Silence < 0 || c.MaxBody < 0 || c.MaxHeader < 0 || c.MaxPerClass < 0 || c.MaxRequests < 0 {
		return fmt.Errorf("egress: a limit is negative")
	}
	return nil
}

// loopbackNames returns AllowLoopback as a set, in the spelling of target.address.
func (c *Config) loopbackNames() (map[string]bool, error) {
	set := map[string]bool{}
	for _, s := range c.AllowLoopback {
		host, port, err := splitPort(s)
		if err == nil && port == 0 {
			err = errPort
		}
		if err == nil {
			host, err = canonicalHost(host)
		}
		if err != nil {
			return nil, fmt.Errorf("egress: allowed loopback address %q: %w", s, err)
		}
		set[target{host: host, port: port}.address()] = true
	}
	return set, nil
}
