package egress

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

// names is a DNS server on loopback. Each name has a list of answers, of which each question takes
// the next; the last one stays. An alias is answered with what it leads to.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
	aliases map[string]string
}

func (n *names) alias(name, target string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.aliases[name] = target
}

// follow returns the records of aliases from name on, and the name that they lead to.
func (n *names) follow(name string) (records []dnsmessage.Resource, end string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for end = name; n.aliases[end] != ""; end = n.aliases[end] {
		records = append(records, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(end + "."), Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(n.aliases[end] + ".")},
		})
	}
	return records, end
}

func (n *names) set(name string, answers ...[]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers[name] = answers
}

// take returns the addresses of a name that are of a type. Only the question for A moves on, since a
// resolution asks for both types.
func (n *names) take(name string, kind dnsmessage.Type) []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.answers[name]
	if len(all) == 0 {
		return nil
	}
	if kind == dnsmessage.TypeA && len(all) > 1 {
		n.answers[name] = all[1:]
	}
	var list []netip.Addr
	for _, s := range all[0] {
		if a := netip.MustParseAddr(s); a.Is4() == (kind == dnsmessage.TypeA) {
			list = append(list, a)
		}
	}
	return list
}

// startNames returns a server and a resolver that asks it alone.
func startNames(t *testing.T) (*names, *net.Resolver) {
	t.Helper()
	n := &names{answers: map[string][][]string{}, aliases: map[string]string{}}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { n.serve(conn) }) // ends with the socket
	t.Cleanup(func() { conn.Close(); serving.Wait() })
	return n, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (n *names) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		aliases, name := n.follow(strings.ToLower(strings.TrimSuffix(q.Name.String(), ".")))
		m.Answers = aliases
		for _, a := range n.take(name, q.Type) {
			r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}}
			if len(aliases) > 0 {
				r.Header.Name = dnsmessage.MustNewName(name + ".")
			}
			if a.Is4() {
				r.Body = &dnsmessage.AResource{A: a.As4()}
			} else {
				r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
			}
			m.Answers = append(m.Answers, r)
		}
		packed, err := m.Pack()
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(packed, from)
	}
}

// world is a client with a DNS server and a log.
type world struct {
	*Client
	names *names
	log   *kvtest.Log
}

func newWorld(t *testing.T, c Config) *world {
	t.Helper()
	w := &world{log: &kvtest.Log{}}
	w.names, c.Resolver = startNames(t)
	c.Logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if w.Client, err = New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// get fetches a URL that is allowed by the patterns.
func (w *world) get(t *testing.T, url string, patterns ...string) (*Response, string, error) {
	t.Helper()
	return w.fetch(t, policy(t, patterns...), abi.FetchRequest{URL: url}, nil)
}

func (w *world) fetch(t *testing.T, p Policy, f abi.FetchRequest, body []byte) (*Response, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := w.Do(ctx, "acme", p, f, body)
	if err != nil {
		return nil, "", err
	}
	b, err := r.ReadAll(0)
	return r, string(b), err
}

func policy(t *testing.T, patterns ...string) Policy {
	t.Helper()
	p, err := NewPolicy(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serve starts a server on loopback and returns its "host:port".
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// serveRaw starts a server that answers each connection with what answer writes.
func serveRaw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { // ends with the listener; its connections end with their clients
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 4096)); err == nil {
					answer(c)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return l.Addr().String()
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

// checkCode fails unless err has the code, and text in its public message.
func checkCode(t *testing.T, err error, code abi.Code, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want %v %q", code, text)
	}
	e := abi.AsError(err)
	if e.Code != code || !strings.Contains(e.PublicMessage(), text) {
		t.Fatalf("got %v, want %v with %q", err, code, text)
	}
}

// endless yields the same bytes for ever.
type endless string

func (e endless) Read(p []byte) (int, error) {
	n := copy(p, e)
	for n+len(e) <= len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

var discardLog = log.New(io.Discard, "", 0)
