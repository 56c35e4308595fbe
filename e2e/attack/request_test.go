package attack

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// requests are attacks by the way that an upload is sent (row 12).
func (h *host) requests(t *testing.T) (list []outcome) {
	t.Helper()
	say := func(name, want string, got answer) {
		list = append(list, outcome{row: 12, verdict: got.verdict()})
		if !matches(want, got) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	const limit = 16 << 20
	send := func(body io.Reader, header ...string) answer {
		return h.put(t, body, header...)
	}
	say("no byte", malformed, send(strings.NewReader("")))
	say("a body at the limit", malformed, send(bytes.NewReader(make([]byte, limit))))
	say("a body past the limit", tooLong, send(bytes.NewReader(make([]byte, limit+1))))
	// Of a type that net/http cannot ask for its length, so the body is chunked.
	chunked := func(n int64) io.Reader { return io.LimitReader(zeros{}, n) }
	say("a chunked body at the limit", malformed, send(chunked(limit)))
	say("a chunked body past the limit", tooLong, send(chunked(limit+1)))
	say("JSON", wrongType, send(strings.NewReader("{}"), "Content-Type", "application/json"))
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	io.Copy(z, chunked(100<<20)) // to memory: cannot fail
	z.Close()
	say("a bomb of 100 MiB in gzip", wrongType, send(&bomb, "Content-Encoding", "gzip"))
	say("a body that breaks off", "400 guard/invalid_request", h.breakOff(t, "PUT /modules/broken HTTP/1.1\r\nHost: x\r\nContent-Type: application/wasm\r\nContent-Length: 1000\r\nAuthorization: Bearer "+h.attacker+"\r\n\r\n\x00asm"))
	h.slowHeads(t)
	return append(list, outcome{row: 12, verdict: "closed"})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// put uploads a body as it is.
func (h *host) put(t *testing.T, body io.Reader, header ...string) answer {
	t.Helper()
	req, err := h.NewRequest(context.Background(), "PUT", "/modules/sent", h.attacker, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/wasm")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	a, err := h.send(req)
	if err != nil {
		t.Errorf("%s: %v", req.URL.Path, err)
	}
	return a
}

func (h *host) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*net.TCPConn)
}

// breakOff sends text and no more, and returns the answer.
func (h *host) breakOff(t *testing.T, text string) answer {
	t.Helper()
	c := h.dial(t)
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	c.CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("no answer to a body that breaks off: %v", err)
		return answer{}
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: b}
}

// slowHeads opens many connections whose heads do not end: the host answers others meanwhile, and closes
// them.
func (h *host) slowHeads(t *testing.T) {
	t.Helper()
	var wg sync.WaitGroup
	for range 64 {
		c := h.dial(t)
		fmt.Fprint(c, "PUT /modules/slow HTTP/1.1\r\nHost: x\r\nX-A: ")
		wg.Go(func() {
			defer c.Close()
			if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("a connection whose head does not end: %v", err)
			}
		})
	}
	if a := h.must("GET", "/readyz", "", nil); a.status != 200 {
		t.Errorf("beside 64 slow heads: %s", a)
	}
	wg.Wait()
}

// logsAreBounded looks at what is kept of an actor that logs without end (row 22).
func (h *host) logsAreBounded(t *testing.T, action string) outcome {
	t.Helper()
	a := attack{row: 22, name: "log bomb", upload: taken, wasm: actionAttacks()[0].wasm}
	if got := h.upload(h.attacker, "logger", a.wasm()); !matches(taken, got) {
		t.Fatalf("upload: %s", got)
	}
	id, made := h.actor(h.attacker, "logger", "k", `" "`)
	if id == "" {
		t.Fatalf("creation: %s", made)
	}
	if got := h.call(h.attacker, id, action); !matches(tooMany, got) {
		t.Errorf("a loop of logs: got %s, want %s", got, tooMany)
	}
	got := h.must("GET", "/actors/"+id+"/logs", h.attacker, nil)
	if got.status != 200 || len(got.body) > 512<<10 {
		t.Errorf("the log of an actor that logs without end: status %d, %d bytes", got.status, len(got.body))
	}
	h.must("DELETE", "/actors/"+id, h.attacker, nil)
	h.must("DELETE", "/modules/logger", h.attacker, nil)
	return outcome{row: 22, verdict: got.verdict()}
}
