package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// fast makes what waits for a client end soon.
func fast(c *Config) {
	c.HeaderTimeout, c.BodyTimeout, c.WriteTimeout, c.IdleTimeout = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
}

// rawLine is a connection without a client library.
type rawLine struct {
	net.Conn
	r *bufio.Reader
}

func dialRaw(t *testing.T, url string) *rawLine {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &rawLine{c, bufio.NewReader(c)}
}

// verdicts returns how each request on the connection was answered, until the server closes it or waits for more: as a
// status with group and code, if the answer has them.
func (l *rawLine) verdicts(method string) string {
	var list []string
	for {
		_ = l.SetReadDeadline(time.Now().Add(5 * time.Second))
		resp, err := http.ReadResponse(l.r, &http.Request{Method: method})
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				list = append(list, "waits")
			} else {
				list = append(list, "end")
			}
			return strings.Join(list, ", ")
		}
		b, err := io.ReadAll(resp.Body)
		v := strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", codeIn(b)))
		if err != nil {
			v += " cut"
		}
		list = append(list, v)
	}
}

// works fails unless the server answers and has no more goroutines than before.
func (f *fixture) works(t *testing.T, before int) {
	t.Helper()
	if a := f.do("GET", "/actors", ""); a.status != 200 {
		t.Errorf("afterwards the server answers %d %s", a.status, a.body)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	kvtest.Eventually(t, "goroutines come back", func() bool { return runtime.NumGoroutine() <= before })
	if n := f.srv.held.memory.taken() + f.srv.held.requests.taken(); n != 0 {
		t.Errorf("%d bytes and requests are held", n)
	}
}

// goroutines returns how many there are when nothing goes on.
func (f *fixture) goroutines() int {
	f.do("GET", "/actors", "")
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	n := runtime.NumGoroutine()
	for range 50 { // they end soon
		runtime.Gosched()
		n = max(n, runtime.NumGoroutine())
	}
	return n
}

// TestHostileRequests sends what no client library would, over a connection of its own. Whatever it is, the answer is the
// wanted one, the server works on and nothing is left.
func TestHostileRequests(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "k").String()
	auth := f.as(tenants.RoleAdmin) + "\r\n"
	action := "/gateway/" + id + "/action/inc"
	post := func(header, body string) string {
		return "POST " + action + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + auth + header + "\r\n" + body
	}
	get := func(line, header string) string {
		return line + "\r\nHost: x\r\nConnection: close\r\n" + auth + header + "\r\n"
	}
	const args = `{"args":[]}`
	const smuggled = "GET /actors HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, tt := range []struct {
		name, send, want string
	}{
		{"a giant header", get("GET /actors HTTP/1.1", "X: "+strings.Repeat("x", 64<<10)+"\r\n"), "431, end"},
		{"many headers", get("GET /actors HTTP/1.1", strings.Repeat("X: y\r\n", 8<<10)), "431, end"},
		{"a giant path", get("GET /"+strings.Repeat("x", 64<<10)+" HTTP/1.1", ""), "431, end"},
		{"a header without end", "GET /actors HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20), "431, end"},
		{"two hosts", get("GET /actors HTTP/1.1", "Host: y\r\n"), "400, end"},
		{"no host", "GET /actors HTTP/1.1\r\n" + auth + "\r\n", "400, end"},
		{"a host that is none", "GET /actors HTTP/1.1\r\nHost: x y\r\n\r\n", "400, end"},
		{"two equal lengths", post("Content-Length: 11\r\nContent-Length: 11\r\nConnection: close\r\n", args), "200, end"},
		{"two lengths", post("Content-Length: 11\r\nContent-Length: 60\r\n", args+smuggled), "400, end"},
		{"a list of lengths", post("Content-Length: 11, 60\r\n", args+smuggled), "400, end"},
		{"a length with a sign", post("Content-Length: +11\r\n", args), "400, end"},
		{"a length in hex", post("Content-Length: 0xb\r\n", args), "400, end"},
		{"a negative length", post("Content-Length: -1\r\n", args), "400, end"},
		{"a length beyond numbers", post("Content-Length: 99999999999999999999\r\n", args), "400, end"},
		{"length and chunks", post("Content-Length: 11\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled), "400 guard/invalid_request, end"},
		{"chunks twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "501, end"},
		{"chunks after another encoding", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), "501, end"},
		{"an encoding that is none", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+smuggled), "501, end"},
		{"an encoding behind a tab", post("Transfer-Encoding:\tchunked\r\nConnection: close\r\n", "b\r\n"+args+"\r\n0\r\n\r\n"), "200, end"},
		{"a name with a space", post("Transfer-Encoding : chunked\r\nContent-Length: 11\r\n", args), "400, end"},
		{"a chunk of a negative size", post("Transfer-Encoding: chunked\r\n", "-1\r\n"), "400 guard/invalid_request, end"},
		{"a chunk of a giant size", post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"), "400 guard/invalid_request, end"},
		{"a chunk with a giant extension", post("Transfer-Encoding: chunked\r\n", "b;"+strings.Repeat("x", 64<<10)+"\r\n"+args+"\r\n0\r\n\r\n"), "400 guard/invalid_request, end"},
		{"many chunks of a byte", post("Transfer-Encoding: chunked\r\n", strings.Repeat("1\r\n \r\n", 100_000)+"0\r\n\r\n"), "400 guard/invalid_request, end"},
		{"a giant trailer", post("Transfer-Encoding: chunked\r\n", "b\r\n"+args+"\r\n0\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n"), "400 guard/invalid_request, end"},
		{"a folded header", get("GET /actors HTTP/1.1", "X: a\r\n b\r\n"), "200, end"},
		{"a folded first header", "GET /actors HTTP/1.1\r\n Host: x\r\n\r\n", "400, end"},
		{"NUL in a header", get("GET /actors HTTP/1.1", "X: a\x00b\r\n"), "400, end"},
		{"NUL in a name", get("GET /actors HTTP/1.1", "X\x00: a\r\n"), "400, end"},
		{"a bare CR in a header", get("GET /actors HTTP/1.1", "X: a\rY: b\r\n"), "400, end"},
		{"NUL in the path", get("GET /actors\x00 HTTP/1.1", ""), "400, end"},
		{"bare line feeds", "GET /actors HTTP/1.1\nHost: x\nConnection: close\n" + strings.TrimSuffix(auth, "\r\n") + "\n\n", "200, end"},
		{"a bad percent-encoding", get("GET /actors/%zz HTTP/1.1", ""), "400, end"},
		{"half a percent-encoding", get("GET /actors/%a HTTP/1.1", ""), "400, end"},
		{"an encoded slash", get("GET /actors%2fnames HTTP/1.1", ""), "404 api/not_found, end"},
		{"an encoded NUL", get("GET /actors/%00 HTTP/1.1", ""), "404 actor/not_found, end"},
		{"dots", get("GET /actors/../namespaces HTTP/1.1", ""), "404 api/not_found, end"},
		{"encoded dots", get("GET /actors/%2e%2e/namespaces HTTP/1.1", ""), "404 api/not_found, end"},
		{"an absolute form", get("GET http://elsewhere.example/actors HTTP/1.1", ""), "200, end"},
		{"an absolute form of another scheme", get("GET ftp://x/actors HTTP/1.1", ""), "200, end"},
		{"an authority", get("CONNECT elsewhere.example:443 HTTP/1.1", ""), "404 api/not_found, end"},
		{"CONNECT with a path", get("CONNECT /actors HTTP/1.1", ""), "405 api/method_not_allowed, end"},
		{"TRACE", get("TRACE /actors HTTP/1.1", "X-Secret: y\r\n"), "405 api/method_not_allowed, end"},
		{"an asterisk", get("OPTIONS * HTTP/1.1", ""), "404 api/not_found, end"},
		{"an asterisk to get", get("GET * HTTP/1.1", ""), "404 api/not_found, end"},
		{"a method of another world", get("BREW /actors HTTP/1.1", ""), "405 api/method_not_allowed, end"},
		{"a method that is none", get("G(T /actors HTTP/1.1", ""), "400, end"},
		{"a giant method", get(strings.Repeat("G", 64<<10)+" /actors HTTP/1.1", ""), "431, end"},
		{"no path", get("GET  HTTP/1.1", ""), "400, end"},
		{"HTTP/1.0", "GET /actors HTTP/1.0\r\n" + auth + "\r\n", "200, end"},
		{"HTTP/1.0 with chunks", "POST " + action + " HTTP/1.0\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\nb\r\n" + args + "\r\n0\r\n\r\n", "400 guard/invalid_request, end"},
		{"HTTP/0.9", "GET /actors\r\n", "400, end"},
		{"HTTP/1.2", get("GET /actors HTTP/1.2", ""), "200, end"},
		{"HTTP/3.0", get("GET /actors HTTP/3.0", ""), "505, end"},
		{"the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "404 api/not_found, end"},
		{"an upgrade to HTTP/2", get("GET /actors HTTP/1.1", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), "200, end"},
		{"an upgrade to nothing", get("GET /actors HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"), "200, end"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 100) + "\r\n\r\n", "400, end"},
		{"not HTTP", "SSH-2.0-OpenSSH_9.9\r\n\r\n", "400, end"},
		{"nothing but line ends", strings.Repeat("\r\n", 1000), "400, end"},
		{"garbage behind a body", post("Content-Length: 11\r\n", args+"garbage\r\n\r\n"), "200, 400, end"},
		{"a second request behind it", post("Content-Length: 11\r\n", args) + get("GET /actors HTTP/1.1", ""), "200, 200, end"},
		{"a body where none is read", get("GET /actors HTTP/1.1", "Content-Length: 5\r\n") + "hello", "200, end"},
		{"Expect: 100-continue", post("Expect: 100-continue\r\nConnection: close\r\nContent-Length: 11\r\n", args), "100, 200, end"},
		{"another expectation", post("Expect: the-spanish-inquisition\r\nContent-Length: 11\r\n", args), "417, end"},
		{"Expect past the limit", post("Expect: 100-continue\r\nContent-Length: 99999999\r\n", ""), "413 message/incoming_too_long, end"},
		{"a compressed body", post("Content-Encoding: gzip\r\nContent-Length: 11\r\nConnection: close\r\n", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x00"), "415 guard/unsupported_media_type, end"},
		{"two encodings of a body", post("Content-Encoding: identity, gzip\r\nContent-Length: 11\r\nConnection: close\r\n", args), "415 guard/unsupported_media_type, end"},
		{"a range", get("GET /actors HTTP/1.1", "Range: bytes=0-0,"+strings.Repeat("0-0,", 2000)+"\r\n"), "200, end"},
		{"two tokens", get("GET /actors HTTP/1.1", auth), "401 auth/unauthenticated, end"},
		{"a header that hides the token", get("GET /actors HTTP/1.1", "Connection: authorization\r\n"), "200, end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := f.goroutines()
			l := dialRaw(t, f.url)
			go io.WriteString(l, tt.send) // ends with the connection
			method, _, _ := strings.Cut(tt.send, " ")
			if got := l.verdicts(method); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			l.Close()
			f.works(t, before)
		})
	}
}

// TestSlowRequests sends requests that do not get on. They end at their time, however many bytes come until then.
func TestSlowRequests(t *testing.T) {
	f := newFixture(t, fast)
	action := "/gateway/" + f.actor("counter", "k").String() + "/action/inc"
	post := func(header, body string) string {
		return "POST " + action + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + f.as(tenants.RoleAdmin) + "\r\n" + header + "\r\n" + body
	}
	for _, tt := range []struct {
		name, send string
		then       string // sent for as long as the connection is open, a piece at a time
		want       string
	}{
		{"no byte", "", "", "end"},
		{"half a head", "GET /actors HTTP/1.1\r\nHost: x\r\n", "", "end"},
		{"half a body", post("Content-Length: 11\r\n", `{"args`), "", "408 guard/request_timeout, end"},
		{"no body that was announced", post("Content-Length: 11\r\n", ""), "", "408 guard/request_timeout, end"},
		{"half a chunk", post("Transfer-Encoding: chunked\r\n", "b\r\n{"), "", "408 guard/request_timeout, end"},
		{"a head, a byte at a time", "GET /actors HTTP/1.1\r\nHost: x\r\nX: ", "x", "end"},
		{"a head, a header at a time", "GET /actors HTTP/1.1\r\nHost: x\r\n", "X: y\r\n", "end"},
		{"a body, a byte at a time", post("Content-Length: 100000\r\n", ""), " ", "408 guard/request_timeout, end"},
		{"a body, a chunk at a time", post("Transfer-Encoding: chunked\r\n", ""), "1\r\n \r\n", "408 guard/request_timeout, end"},
		{"an answered request, and nothing more", post("Content-Length: 11\r\n", `{"args":[]}`), "", "200, end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := f.goroutines()
			l := dialRaw(t, f.url)
			io.WriteString(l, tt.send)
			if tt.then != "" {
				go func() { // ends with the connection
					beat := time.NewTicker(10 * time.Millisecond)
					defer beat.Stop()
					for range beat.C {
						if _, err := io.WriteString(l, tt.then); err != nil {
							return
						}
					}
				}()
			}
			if got := l.verdicts("GET"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			l.Close()
			f.works(t, before)
		})
	}
}

// codeIn returns group and code of an error's body, empty if it is none.
func codeIn(body []byte) string {
	var e errorBody
	if json.Unmarshal(body, &e) != nil || e.Code == "" {
		return ""
	}
	return e.Group + "/" + e.Code
}
