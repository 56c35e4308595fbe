package client

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/api/wire"
)

// DefaultEndpoint is where `host dev` listens.
const DefaultEndpoint = "http://127.0.0.1:6420"

// Options of a client. The zero value is for `host dev`.
type Options struct {
	Token     string // who calls; empty if the host asks for none, or the endpoint has it
	Namespace string // empty is that of the endpoint, or the token's
	Encoding  string // "bare", "cbor" or "json"; empty means bare

	// HTTP sends requests; nil means a client of its own. Redirects are never followed: an actor could name any
	// place, and the token would go there. WebSockets use the dialing, proxy and TLS of an *http.Transport.
	HTTP *http.Client

	Header http.Header // added to each request, that of a WebSocket too

	// MaxAnswer bounds an answer, a message and the events that wait for their handlers, in bytes. Zero means
	// 16 MiB. Bodies of raw HTTP are not counted: their reader decides.
	MaxAnswer int
}

// Client knows a host and who calls. It is safe for concurrent use.
type Client struct {
	scheme    string
	host      string
	prefix    string // of each path, encoded
	http      *http.Client
	own       bool // http is nobody else's
	header    http.Header
	token     string
	namespace string
	encoding  wire.ClientEncoding
	limit     int
	timing    timing
}

// New returns a client of the host at an endpoint, which may have a path before that of the host. As with Rivet's
// client, http://NAMESPACE:TOKEN@host names namespace and token. An empty endpoint is DefaultEndpoint. It sends
// nothing.
func New(endpoint string, o Options) (*Client, error) {
	c := &Client{http: o.HTTP, header: o.Header.Clone(), limit: cmp.Or(o.MaxAnswer, defaultMaxAnswer), timing: defaultTiming}
	if c.encoding = wire.ClientOf(cmp.Or(o.Encoding, "bare")); c.encoding == nil {
		return nil, fmt.Errorf("client: there is no encoding %q", o.Encoding)
	}
	if c.limit < 0 {
		return nil, errors.New("client: MaxAnswer is negative")
	}
	if err := c.parseEndpoint(cmp.Or(endpoint, DefaultEndpoint), o); err != nil {
		return nil, fmt.Errorf("client: the endpoint: %w", err)
	}
	if c.own = c.http == nil; c.own {
		c.http = &http.Client{Transport: newTransport()}
	}
	sender := *c.http
	sender.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &sender
	return c, nil
}

const (
	defaultMaxAnswer = 16 << 20
	maxHeaderBytes   = 256 << 10 // of an answer
	idleConns        = 256       // of one host: programs call actors in parallel
)

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = idleConns
	t.MaxResponseHeaderBytes = maxHeaderBytes
	return t
}

// parseEndpoint sets base, token and namespace. Its errors show no credentials.
func (c *Client) parseEndpoint(endpoint string, o Options) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("it is no URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("it is not of the form http://host or https://host")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("it has a query or a fragment")
	}
	token, _ := u.User.Password()
	if o.Token != "" && token != "" || o.Namespace != "" && u.User.Username() != "" {
		return errors.New("the options name the token or the namespace again")
	}
	c.token, c.namespace = cmp.Or(o.Token, token), cmp.Or(o.Namespace, u.User.Username())
	c.scheme, c.host, c.prefix = u.Scheme, u.Host, strings.TrimRight(u.EscapedPath(), "/")
	return nil
}

// Close frees the client's idle connections, if it made them. Connections to actors are closed by themselves.
func (c *Client) Close() {
	if c.own {
		c.http.CloseIdleConnections()
	}
}

// String is where the host is.
func (c *Client) String() string { return c.scheme + "://" + c.host + c.prefix }

// url returns the URL of an encoded path and query of the host's.
func (c *Client) url(path, query string) *url.URL {
	u := &url.URL{Scheme: c.scheme, Host: c.host, RawPath: c.prefix + path, RawQuery: query}
	u.Path, _ = url.PathUnescape(u.RawPath) // what is sent is RawPath if both agree
	return u
}

// timing is how a client waits. Tests have their own.
type timing struct {
	first, most time.Duration // before a connection is tried again: the first wait, which doubles, and the longest
	stable      time.Duration // a connection that stood so long has not failed
	dial        time.Duration // for one try
	write       time.Duration // for one message
	ping, dead  time.Duration // between signs of life that are asked for, and without any
	bye         time.Duration // for the host's answer to a close
}

var defaultTiming = timing{
	first: 250 * time.Millisecond, most: 10 * time.Second, stable: 10 * time.Second, dial: time.Minute,
	write: 20 * time.Second, ping: 20 * time.Second, dead: 50 * time.Second, bye: 2 * time.Second,
}
