package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/client"
)

func text(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	return string(must[[]byte](t)(io.ReadAll(resp.Body)))
}

func TestRawHTTP(t *testing.T) {
	c := newClient(t, client.Options{})
	h := c.GetOrCreate("kitchen", newKey())
	id := must[string](t)(h.Resolve(within(t)))
	for what, h := range map[string]*client.Handle{"by key": h, "by id": c.ByID(id), "through a comma": c.GetOrCreate("kitchen", newKey()+",")} {
		web := http.Client{Transport: h}
		req := must[*http.Request](t)(http.NewRequestWithContext(within(t), "POST", "http://actor/a/b?q=1&r=%2F", strings.NewReader("text")))
		req.Header.Set("X-Mine", "1")
		resp := must[*http.Response](t)(web.Do(req))
		if got := text(t, resp); got != `{"body":"text","method":"POST","mine":"1","url":"/a/b?q=1\u0026r=%2F"}` && got != `{"body":"text","method":"POST","mine":"1","url":"/a/b?q=1&r=%2F"}` {
			t.Errorf("%s: got %d %s", what, resp.StatusCode, got)
		}
		if c.HostError(resp) != nil || len(req.Header) != 1 {
			t.Errorf("%s: the host answered, or the request was changed: %v", what, req.Header)
		}
		resp = must[*http.Response](t)(web.Get("http://actor/teapot"))
		if got := text(t, resp); resp.StatusCode != 418 || got != "short and stout" {
			t.Errorf("%s: got %d %s", what, resp.StatusCode, got)
		}
	}
	for want, h := range map[string]*client.Handle{
		"actor/not_found":      c.Get("kitchen", newKey()),
		"auth/unauthenticated": stranger(t, client.Options{Token: "nonsense"}).GetOrCreate("kitchen", newKey()),
		"actor/no_handler":     c.GetOrCreate("script", newKey()),
	} {
		resp := must[*http.Response](t)((&http.Client{Transport: h}).Get("http://actor/"))
		var e *client.Error
		if err := c.HostError(resp); !errors.As(err, &e) || !client.Is(err, want) || e.Status != resp.StatusCode {
			t.Errorf("got %d %v, want %s", resp.StatusCode, err, want)
		}
	}
}

// The path and the query of a raw request may be a stranger's: they name nothing but what is the actor's.
func TestRawHTTPOfStrangers(t *testing.T) {
	c := newClient(t, client.Options{})
	id := must[string](t)(c.GetOrCreate("kitchen", newKey()).Resolve(within(t)))
	for _, h := range []*client.Handle{c.ByID(id), c.GetOrCreate("kitchen", newKey())} {
		for _, u := range []string{
			"http://actor/../../actors/" + id, "http://actor/a/%2e%2e/b", "http://actor/a%2F..%2Fb", "http://actor/./x", "http://actor/..",
			"http://actor/?rvt-method=get", "http://actor/?a=1&rvt%2Dnamespace=other", "http://actor/?rvt-token=x", "http://actor/?%zz=1",
		} {
			resp, err := (&http.Client{Transport: h}).Get(u)
			if err == nil {
				t.Errorf("%s was sent: %d %s", u, resp.StatusCode, text(t, resp))
			}
		}
		if _, err := h.Dial(within(t), "/x?rvt-method=get"); err == nil || !strings.Contains(err.Error(), "rvt-") {
			t.Errorf("a socket with a parameter of the gateway's: %v", err)
		}
	}
}

// An actor may redirect, to anywhere. The token does not go there.
func TestRedirects(t *testing.T) {
	hit := make(chan *http.Request, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hit <- r }))
	defer elsewhere.Close()
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/there") {
			io.WriteString(w, "arrived")
			return
		}
		http.Redirect(w, r, elsewhere.URL+"/there", http.StatusTemporaryRedirect)
	}))
	defer redirecting.Close()
	c := must[*client.Client](t)(client.New(redirecting.URL, client.Options{Token: "secret", HTTP: &http.Client{}}))
	h := c.ByID("x")
	resp := must[*http.Response](t)((&http.Client{Transport: h}).Get("http://actor/a"))
	if got := text(t, resp); got != "arrived" { // at the same actor
		t.Errorf("got %d %s", resp.StatusCode, got)
	}
	var e *client.Error
	for what, err := range map[string]error{
		"a call":    client.Do(within(t), h, "get"),
		"a message": h.Send(within(t), "q", 1),
		"a look":    c.Fetch(within(t), client.Request{Path: "/actors"}, nil),
		"a socket":  func() error { _, err := h.Dial(within(t), "/"); return err }(),
	} {
		if !errors.As(err, &e) || e.Status != http.StatusTemporaryRedirect {
			t.Errorf("%s was redirected: %v", what, err)
		}
	}
	select {
	case r := <-hit:
		t.Errorf("elsewhere got %s with the header %v", r.URL, r.Header)
	default:
	}
}

func TestRawSockets(t *testing.T) {
	c := newClient(t, client.Options{})
	h := c.GetOrCreate("kitchen", newKey())
	ctx := within(t)
	s := must[*client.Socket](t)(h.Dial(ctx, "sub/x?y=1"))
	defer s.Close(1000, "")
	want := func(text bool, data string) {
		t.Helper()
		if f, err := s.Read(ctx); err != nil || f.Text != text || string(f.Data) != data {
			t.Errorf("got %v %q, %v, want %q", f.Text, f.Data, err, data)
		}
	}
	want(true, "/websocket/sub/x?y=1")
	for _, f := range []client.Frame{{Text: true, Data: []byte("hello")}, {Data: []byte{1, 2}}, {Text: true, Data: []byte("bye")}} {
		if err := s.Write(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	want(true, "echo hello")
	want(false, "\x01\x02")
	for range 2000 { // as often as anybody likes
		_, err := s.Read(ctx)
		var end *client.CloseError
		if !errors.As(err, &end) || *end != (client.CloseError{Code: 4001, Reason: "app.bye"}) {
			t.Fatalf("the end is %v", err)
		}
	}
	if err := s.Write(ctx, client.Frame{}); err == nil {
		t.Error("a socket that has ended took a message")
	}
	s.Close(1000, "again")
}

// A context ends a wait, and Close ends a read.
func TestRawSocketsEnd(t *testing.T) {
	c := newClient(t, client.Options{})
	h := c.GetOrCreate("kitchen", newKey())
	open := func() *client.Socket {
		t.Helper()
		s := must[*client.Socket](t)(h.Dial(within(t), "/"))
		must[client.Frame](t)(s.Read(within(t)))
		return s
	}
	s := open()
	ctx, cancel := context.WithCancel(within(t))
	end := make(chan error, 1)
	go func() { _, err := s.Read(ctx); end <- err }()
	cancel()
	if err := <-end; !errors.Is(err, context.Canceled) {
		t.Errorf("the read that was given up: %v", err)
	}
	s.Close(1000, "")
	s = open()
	go func() { _, err := s.Read(within(t)); end <- err }()
	s.Close(1000, "enough")
	if err := <-end; err == nil {
		t.Error("a read from a closed socket got something")
	}
	if _, err := s.Read(within(t)); err == nil {
		t.Error("a read after Close got something")
	}
	for want, h := range map[string]*client.Handle{"actor.not_found": c.Get("kitchen", newKey()), "auth.unauthenticated": stranger(t, client.Options{Token: "nonsense"}).Get("kitchen")} {
		s := must[*client.Socket](t)(h.Dial(within(t), "/"))
		var closed *client.CloseError
		if _, err := s.Read(within(t)); !errors.As(err, &closed) || closed.Code != 1011 || closed.Reason != want {
			t.Errorf("refused with %v, want %s", err, want)
		}
		s.Close(1000, "")
	}
}
