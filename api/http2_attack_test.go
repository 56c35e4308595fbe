package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// h2Line is a connection of HTTP/2 without a client library.
type h2Line struct {
	net.Conn
	*http2.Framer
	enc  *hpack.Encoder
	head bytes.Buffer
}

// dialHTTP2 connects to a server of f's config with TLS.
func dialHTTP2(t *testing.T, f *fixture) *h2Line {
	t.Helper()
	ts := httptest.NewUnstartedServer(f.srv.Handler())
	ts.Config, ts.EnableHTTP2 = f.newServer().http, true
	ts.Config.Handler = f.srv.Handler()
	ts.StartTLS()
	t.Cleanup(ts.Close)
	c, err := tls.Dial("tcp", ts.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	l := &h2Line{Conn: c, Framer: http2.NewFramer(c, c)}
	l.enc = hpack.NewEncoder(&l.head)
	l.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	l.AllowIllegalWrites = true
	io.WriteString(c, http2.ClientPreface)
	if err := l.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return l
}

// ask sends the head of a request: names and values.
func (l *h2Line) ask(stream uint32, fields ...string) error {
	l.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		l.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // to memory: cannot fail
	}
	block := l.head.Bytes()
	first := block[:min(len(block), 16<<10)]
	if err := l.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: true, EndHeaders: len(first) == len(block)}); err != nil {
		return err
	}
	for rest := block[len(first):]; len(rest) > 0; {
		next := rest[:min(len(rest), 16<<10)]
		rest = rest[len(next):]
		if err := l.WriteContinuation(stream, len(rest) == 0, next); err != nil {
			return err
		}
	}
	return nil
}

// verdict returns what becomes of the first stream: a status, a reset, or the end of the connection and why.
func (l *h2Line) verdict() string {
	for {
		frame, err := l.ReadFrame()
		if err != nil {
			return "end"
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return "reset " + f.ErrCode.String()
		case *http2.GoAwayFrame:
			return "away " + f.ErrCode.String()
		}
	}
}

// end returns how the server ends the connection, whatever it says of streams until then.
func (l *h2Line) end() string {
	for {
		if got := l.verdict(); got == "end" || strings.HasPrefix(got, "away") {
			return got
		}
	}
}

// TestHostileHTTP2 sends heads that HTTP/2 forbids, or that would mean something else to a server behind.
func TestHostileHTTP2(t *testing.T) {
	f := newFixture(t)
	good := []string{":method", "GET", ":scheme", "https", ":path", "/actors", ":authority", "x", "authorization", strings.TrimPrefix(f.as(tenants.RoleAdmin), "Authorization: ")}
	with := func(more ...string) []string { return append(append([]string{}, good...), more...) }
	for _, tt := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"a request", good, "200"},
		{"no path", []string{":method", "GET", ":scheme", "https", ":authority", "x"}, "reset PROTOCOL_ERROR"},
		{"two paths", append([]string{":path", "/healthz"}, good...), "reset PROTOCOL_ERROR"},
		{"a path that is none", []string{":method", "GET", ":scheme", "https", ":path", "actors", ":authority", "x"}, "reset PROTOCOL_ERROR"},
		{"an unknown pseudo header", append([]string{":secret", "x"}, good...), "reset PROTOCOL_ERROR"},
		{"a pseudo header of answers", append([]string{":status", "200"}, good...), "reset PROTOCOL_ERROR"},
		{"a pseudo header behind others", with(":scheme", "http"), "reset PROTOCOL_ERROR"},
		{"a name in upper case", with("X-Y", "z"), "reset PROTOCOL_ERROR"},
		{"a line end in a value", with("x", "a\r\nb: c"), "reset PROTOCOL_ERROR"},
		{"a line end in the path", []string{":method", "GET", ":scheme", "https", ":path", "/actors HTTP/1.1\r\nX: y", ":authority", "x"}, "reset PROTOCOL_ERROR"},
		{"a line end in the method", []string{":method", "GET /x HTTP/1.1\r\n", ":scheme", "https", ":path", "/actors", ":authority", "x"}, "reset PROTOCOL_ERROR"},
		{"a header of one connection", with("connection", "close"), "400"},
		{"chunks", with("transfer-encoding", "chunked"), "400"},
		{"another host", with("host", "elsewhere"), "200"},
		{"a length and no body", with("content-length", "100"), "200"},
		{"a giant header", with("x", strings.Repeat("x", 64<<10)), "away COMPRESSION_ERROR"},
		{"CONNECT", []string{":method", "CONNECT", ":authority", "elsewhere.example:443"}, "404"},
		{"CONNECT with a protocol", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/actors", ":authority", "x"}, "reset PROTOCOL_ERROR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := f.goroutines()
			l := dialHTTP2(t, f)
			if err := l.ask(1, tt.fields...); err != nil {
				t.Fatal(err)
			}
			if got := l.verdict(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			l.Close()
			f.works(t, before+8) // and the server of this row
		})
	}
}

// Streams that are taken back at once cost no more than streams: the connection ends before many turns are begun for them.
func TestRapidReset(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "k").String()
	running, most := make(chan int, 1), 0
	running <- 0
	f.host.raw = func(ctx context.Context, _ actors.RawRequest) (*actors.RawResponse, error) {
		n := <-running
		most = max(most, n+1)
		running <- n + 1
		defer func() { running <- <-running - 1 }()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	before := f.goroutines()
	fields := []string{":method", "GET", ":scheme", "https", ":path", fmt.Sprintf("/gateway/%s/request/x", id), ":authority", "x",
		"authorization", strings.TrimPrefix(f.as(tenants.RoleAdmin), "Authorization: ")}
	l := dialHTTP2(t, f)
	_ = l.SetDeadline(time.Time{}) // the streams end
	ended := make(chan string, 1)
	go func(l h2Line) { ended <- l.end() }(*l)  // ends with the connection
	many := bufio.NewWriterSize(l.Conn, 64<<10) // as fast as who attacks
	l.Framer = http2.NewFramer(many, nil)
	var err error
	got, streams := "", 0
	for ; streams < 100_000 && got == "" && err == nil; streams++ {
		stream := uint32(2*streams + 1)
		if err = l.ask(stream, fields...); err == nil {
			err = l.WriteRSTStream(stream, http2.ErrCodeCancel)
		}
		select {
		case got = <-ended:
		default:
		}
	}
	if got == "" {
		many.Flush()
		_ = l.SetReadDeadline(time.Now().Add(time.Minute))
		got = <-ended
	}
	if got != "away ENHANCE_YOUR_CALM" && (got != "end" || err == nil) {
		t.Errorf("the connection goes on after %d streams: %s", streams, got)
	}
	l.Close()
	peak := 0
	kvtest.Eventually(t, "all turns end", func() bool { n := <-running; peak = most; running <- n; return n == 0 })
	if peak > maxStreams {
		t.Errorf("%d requests ran at once, of %d", peak, maxStreams)
	}
	f.works(t, before+8)
}

// One connection has no more requests at a time than it may.
func TestStreamsAreBounded(t *testing.T) {
	f := newFixture(t)
	l := dialHTTP2(t, f)
	for {
		frame, err := l.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := frame.(*http2.SettingsFrame); ok && !s.IsAck() {
			if n, ok := s.Value(http2.SettingMaxConcurrentStreams); !ok || n != maxStreams {
				t.Errorf("%d streams may be open, want %d", n, maxStreams)
			}
			return
		}
	}
}
