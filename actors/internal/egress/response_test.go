package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// zip returns n bytes of zeros, compressed.
func zip(t *testing.T, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.CopyN(z, endless(strings.Repeat("\x00", 4096)), n); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	testBody   = 1 << 20
	testHeader = 16 << 10
)

// small is a client with small bounds that may reach a server.
func small(t *testing.T, address string) *world {
	t.Helper()
	return newWorld(t, Config{AllowLoopback: []string{address}, MaxBody: testBody, MaxHeader: testHeader})
}

func TestBombs(t *testing.T) {
	empty := zip(t, 0)
	write := func(s string, more io.Reader) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, s)
			if more != nil {
				_, _ = io.Copy(c, more)
			}
		}
	}
	const ok, chunked, zipped = "HTTP/1.1 200 OK\r\n", "Transfer-Encoding: chunked\r\n", "Content-Encoding: gzip\r\n"
	silent := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) } // until the client gives up
	tests := []struct {
		name   string
		answer func(net.Conn)
		code   abi.Code
		text   string
	}{
		{"gzip", write(ok+zipped+"\r\n", bytes.NewReader(zip(t, testBody+1))), abi.CodeResponseTooLarge, ""},
		{"gzip that decodes to nothing, for ever", write(ok+zipped+"\r\n", endless(string(empty))), abi.CodeResponseTooLarge, ""},
		{"announced", write(ok+fmt.Sprintf("Content-Length: %d\r\n\r\n", testBody+1), nil), abi.CodeResponseTooLarge, ""},
		{"endless", write(ok+"\r\n", endless("x")), abi.CodeResponseTooLarge, ""},
		{"endless and chunked", write(ok+chunked+"\r\n", endless("5\r\nhello\r\n")), abi.CodeResponseTooLarge, ""},
		{"endless and chunked by bytes", write(ok+chunked+"\r\n", endless("1\r\nx\r\n")), abi.CodeResponseTooLarge, ""},
		{"endless extension of a chunk", write(ok+chunked+"\r\n5;", endless("x")), abi.CodeFetchFailed, ""},
		{"endless trailer", write(ok+chunked+"\r\n0\r\n", endless("x: y\r\n")), abi.CodeFetchFailed, ""},
		{"endless header", write(ok, endless("x: y\r\n")), abi.CodeFetchFailed, "header of the answer is too large"},
		{"endless name of a header", write(ok, endless("x")), abi.CodeFetchFailed, "header of the answer is too large"},
		{"endless information", write("", endless("HTTP/1.1 103 Early Hints\r\n\r\n")), abi.CodeFetchFailed, ""},
		{"slow header", func(c net.Conn) { write(ok, nil)(c); silent(c) }, abi.CodeFetchFailed, "in time"},
		{"no header", silent, abi.CodeFetchFailed, "in time"},
		{"no HTTP", write("SSH-2.0-OpenSSH_9.6\r\n\r\n", nil), abi.CodeFetchFailed, "not valid HTTP"},
		{"nothing", func(net.Conn) {}, abi.CodeFetchFailed, "closed the connection"},
		{"cut off", write(ok+"Content-Length: 10\r\n\r\nhello", nil), abi.CodeFetchFailed, "closed the connection"},
		{"cut off gzip", write(ok+zipped+"\r\n", bytes.NewReader(zip(t, 1000)[:12])), abi.CodeFetchFailed, "closed the connection"},
		{"no gzip", write(ok+zipped+"\r\n", strings.NewReader("hello hello hello")), abi.CodeFetchFailed, "not valid gzip"},
		{"switch of protocols", write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", nil), abi.CodeFetchFailed, "another protocol"},
		{"two lengths", write(ok+"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", nil), abi.CodeFetchFailed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := serveRaw(t, tt.answer)
			w := small(t, address)
			if tt.text == "in time" {
				w = newWorld(t, Config{AllowLoopback: []string{address}, Header: 50 * time.Millisecond})
			}
			_, body, err := w.get(t, "http://"+address, "http://"+address)
			if body != "" {
				t.Errorf("got %d bytes of a body", len(body))
			}
			checkCode(t, err, tt.code, tt.text)
		})
	}
}

func TestAnswers(t *testing.T) {
	largest := zip(t, testBody)
	mux := http.NewServeMux()
	mux.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Set-Cookie"] = []string{"a=1", "b=2"}
		h["Keep-Alive"], h["X-Hop"], h["X-Kept"] = []string{"timeout=5"}, []string{"x"}, []string{"y"}
		h["Connection"] = []string{"x-hop"}
		w.WriteHeader(418)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Accept-Encoding"), r.UserAgent())
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "GZIP")
		_, _ = w.Write(largest)
	})
	mux.HandleFunc("/other", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		_, _ = w.Write([]byte("opaque"))
	})
	mux.HandleFunc("/none", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	address := serve(t, mux.ServeHTTP)
	w := small(t, address)
	p, url := policy(t, "http://"+address), "http://"+address

	r, body, err := w.fetch(t, p, abi.FetchRequest{URL: url + "/plain", Header: map[string][]string{"accept-encoding": {"br"}}}, nil)
	if err != nil || r.Status != 418 || body != "GET gzip vivarium" {
		t.Fatalf("got %v %q %v", r, body, err)
	}
	if h := r.Header; len(h["set-cookie"]) != 2 || h["keep-alive"] != nil || h["x-hop"] != nil || h["connection"] != nil || len(h["x-kept"]) != 1 {
		t.Errorf("got header %v", h)
	}
	r, body, err = w.fetch(t, p, abi.FetchRequest{URL: url + "/gzip"}, nil)
	if err != nil || len(body) != testBody || r.Header["content-encoding"] != nil || r.Header["content-length"] != nil || r.Received() != testBody {
		t.Errorf("gzip of the largest size: got %d bytes, %v, %v", len(body), r, err)
	}
	r, body, err = w.fetch(t, p, abi.FetchRequest{URL: url + "/other"}, nil)
	if err != nil || body != "opaque" || r.Header["content-encoding"][0] != "br" {
		t.Errorf("other encoding: got %q, %v, %v", body, r, err)
	}
	for _, path := range []string{"/none", "/echo"} {
		if _, body, err = w.fetch(t, p, abi.FetchRequest{URL: url + path}, nil); err != nil || body != "" {
			t.Errorf("%s: got %q, %v", path, body, err)
		}
	}
	if _, body, err = w.fetch(t, p, abi.FetchRequest{Method: "POST", URL: url + "/echo"}, []byte("hello")); err != nil || body != "hello" {
		t.Errorf("got %q, %v", body, err)
	}
	if _, _, err = w.fetch(t, p, abi.FetchRequest{Method: "HEAD", URL: url + "/gzip"}, nil); err != nil {
		t.Errorf("HEAD of a compressed answer: %v", err)
	}
}

func TestReadAllHasItsOwnBound(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	w := small(t, address)
	for max, want := range map[int64]abi.Code{4: abi.CodeResponseTooLarge, 5: 0, 0: 0} {
		r, err := w.Do(t.Context(), "acme", policy(t, "http://"+address), abi.FetchRequest{URL: "http://" + address}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := r.ReadAll(max); abi.CodeOf(err) != want || (err == nil) != (string(b) == "hello") {
			t.Errorf("at most %d bytes: got %q, %v", max, b, err)
		}
	}
}

// TestAnswersAreReadAsTheyCome: each part waits for what was read before it.
func TestAnswersAreReadAsTheyCome(t *testing.T) {
	next := make(chan struct{})
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
			}
		}
	})
	w := small(t, address)
	p := policy(t, "http://"+address)
	p.Secrets = func(string, string) (string, error) { return "sesame-open", nil }
	r, err := w.Do(t.Context(), "acme", p, abi.FetchRequest{URL: "http://" + address, Secrets: map[string]string{"x-key": "{secret:K}"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for i := range 3 {
		want := fmt.Sprintf("data: %d\n\n", i)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r.Body, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
		next <- struct{}{}
	}
	if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("got %d bytes, %v, want the end", n, err)
	}
}

// TestEndsOfTime: the end of the caller's context is the caller's to name, that of the request's own
// timeout is not.
func TestEndsOfTime(t *testing.T) {
	arrived := make(chan struct{}, 4)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "part")
			w.(http.Flusher).Flush()
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	w := newWorld(t, Config{AllowLoopback: []string{address}})
	p := policy(t, "http://"+address)
	_, _, err := w.fetch(t, p, abi.FetchRequest{URL: "http://" + address, Timeout: 50}, nil)
	checkCode(t, err, abi.CodeFetchFailed, "time that the request gives")
	_, _, err = w.fetch(t, p, abi.FetchRequest{URL: "http://" + address + "/body", Timeout: 50}, nil)
	checkCode(t, err, abi.CodeFetchFailed, "time that the request gives")
	<-arrived
	<-arrived

	cause := errors.New("the turn is over")
	for _, path := range []string{"/", "/body"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-arrived; cancel(cause) }() // ends with the request
		r, err := w.Do(ctx, "acme", p, abi.FetchRequest{URL: "http://" + address + path}, nil)
		if err == nil {
			_, err = r.ReadAll(0)
		}
		if err != cause {
			t.Errorf("%s: got %v, want the context's cause", path, err)
		}
		cancel(nil)
	}
}
