package egress

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/internal/stats"
)

// Client fetches for guests. It is safe for concurrent use.
type Client struct {
	config  Config
	dialer  *dialer
	classes *classes
	closing sync.Once
	ended   stats.Table // requests by code, zero for an answer; see Stats
}

// New returns a client. It must be closed.
func New(c Config) (*Client, error) {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	loopback, err := c.loopbackNames()
	if err != nil {
		return nil, err
	}
	cl := &Client{config: c}
	cl.dialer = &dialer{&cl.config, loopback}
	cl.classes = &classes{
		perClass: c.MaxPerClass,
		idle:     256,
		slots:    make(chan struct{}, c.MaxRequests),
		closed:   make(chan struct{}),
		make:     cl.transport,
		named:    map[string]*class{},
	}
	return cl, nil
}

// transport returns the connections of one class. They speak HTTP/1 only: an answer costs what it
// sends, with no streams, pushes or header tables of a connection to bound beside it.
func (c *Client) transport() *http.Transport {
	t := &http.Transport{
		Proxy:                  nil, // a proxy would resolve names itself
		DialContext:            c.dialer.dial,
		TLSClientConfig:        &tls.Config{RootCAs: c.config.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    c.config.Connect,
		ResponseHeaderTimeout:  c.config.Header,
		MaxResponseHeaderBytes: int64(c.config.MaxHeader),
		DisableCompression:     true, // body.go decodes within bounds
		MaxConnsPerHost:        c.config.MaxPerClass,
		MaxIdleConns:           8,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        keptFor,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}

// Close refuses further requests with [abi.CodeUnavailable], waits until those that run have ended, of
// themselves or by their contexts, with their bodies, and closes the connections.
func (c *Client) Close() { c.closing.Do(c.classes.close) }

// Do sends a guest's request and returns the answer once its header is there, redirects followed.
// Class is the namespace: what its requests share they share with no other. It waits while too many
// requests run.
//
// Its errors are [*abi.Error]s: CodeEgressDenied with the rule that was broken, CodeFetchFailed with what
// the guest may know, CodeResponseTooLarge, and CodeInvalidArgument for a malformed request. If ctx
// ends, before the answer or in its body, the error is the cause of ctx, for the caller to name.
// f.Stream is the caller's. The request's body is copied.
func (c *Client) Do(ctx context.Context, class string, p Policy, f abi.FetchRequest, body []byte) (res *Response, err error) {
	defer func() { c.count(err) }()
	return c.do(ctx, class, p, f, body)
}

func (c *Client) do(ctx context.Context, class string, p Policy, f abi.FetchRequest, body []byte) (*Response, error) {
	r, err := c.newRequest(p, f, body)
	if err != nil {
		return nil, c.note(ctx, class, err)
	}
	ctx, cancel := limit(ctx, f.Timeout)
	cl, leave, err := c.classes.enter(ctx, class)
	if err != nil {
		err = failure(ctx, err, r.mask) // before cancel, which is not the caller's
		cancel(nil)
		return nil, err
	}
	end := func() { cancel(nil); leave() }
	res, err := c.follow(ctx, cl.transport, r)
	if err != nil {
		end()
		return nil, c.note(ctx, class, err)
	}
	res.Body = &watched{res.Body, c.config.Silence, func() { cancel(errSilence) }}
	return c.response(ctx, res, r, end)
}

// limit bounds ctx by a request's own timeout, in milliseconds.
func limit(ctx context.Context, timeout int64) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if timeout <= 0 {
		return ctx, cancel
	}
	// More than the largest duration is as good as none.
	d := time.Duration(min(timeout, int64(365*24*time.Hour/time.Millisecond))) * time.Millisecond
	ctx, stop := context.WithTimeoutCause(ctx, d, errTimeout)
	return ctx, func(cause error) { cancel(cause); stop() }
}

// follow sends r and what it is redirected to. Each hop passes the policy and the dialer again.
func (c *Client) follow(ctx context.Context, t http.RoundTripper, r *request) (*http.Response, error) {
	for hops := 0; ; hops++ {
		res, err := t.RoundTrip(r.http(ctx))
		if err == nil && ctx.Err() != nil { // an answer that comes as its time ends comes too late
			_ = res.Body.Close()
			err = ctx.Err()
		}
		if err != nil {
			return nil, failure(ctx, err, r.mask)
		}
		again, err := r.redirect(res)
		if err != nil || again {
			_ = res.Body.Close()
		}
		if err != nil {
			return nil, err
		}
		if !again {
			return res, nil
		}
		if hops >= c.config.Redirects {
			return nil, failed("the server redirects too often")
		}
	}
}

// response hands an answer over, or refuses it by its header.
func (c *Client) response(ctx context.Context, res *http.Response, r *request, end func()) (*Response, error) {
	decode := gzipped(res.Header) && r.method != http.MethodHead
	var err error
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		err = failed("the server switches to another protocol")
	case r.mask != nil && opaque(res.Header):
		err = failed("the answer to a request with secrets has an encoding that they cannot be found in")
	case res.ContentLength > c.config.MaxBody && r.method != http.MethodHead:
		err = abi.Errorf(abi.CodeResponseTooLarge, "the server's answer has %d bytes, more than %d", res.ContentLength, c.config.MaxBody)
	}
	b := newBody(ctx, res, decode, c.config.MaxBody, r.mask, end)
	if err != nil {
		_ = b.Close()
		return nil, err
	}
	head := abi.ResponseHead{Status: res.StatusCode, Header: responseHeader(res.Header, decode, r.mask)}
	return &Response{head, b, b}, nil
}

// note logs what was refused, for the operator: not the URL, in which guests put what is secret.
func (c *Client) note(ctx context.Context, class string, err error) error {
	if e := abi.AsError(err); e.Code == abi.CodeEgressDenied {
		c.config.Logger.LogAttrs(ctx, slog.LevelInfo, "egress refused", slog.String("tenant", class), slog.String("rule", e.PublicMessage()))
	}
	return err
}
