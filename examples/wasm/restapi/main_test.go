package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

// do makes a request with headers such as "if-match: 1".
func do(t *testing.T, a *guesttest.Actor, method, url, body string, headers ...string) *guest.Response {
	t.Helper()
	r := guest.Request{Method: method, URL: url, Body: []byte(body), Header: guest.Header{"content-type": {"application/json; charset=utf-8"}}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer, err := a.Request(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer
}

func TestNotes(t *testing.T) {
	a := guesttest.New(t, "restapi", guesttest.Options{})
	steps := []struct {
		method, url, body, header string
		status                    int
		want                      string // "name: value" of a header, or a part of the body
	}{
		{"GET", "/notes", "", "", 200, "[]"},
		{"POST", "/notes", `{"text":"milk"}`, "", 201, "location: notes/1"},
		{"GET", "/notes/1", "", "", 200, `etag: "1"`},
		{"HEAD", "/notes/1", "", "", 200, `etag: "1"`},
		{"GET", "/notes/1", "", `if-none-match: "1"`, 304, ""},
		{"PUT", "/notes/1", `{"text":"tea"}`, "", 428, "If-Match"},
		{"PUT", "/notes/1", `{"text":"tea","id":7,"rev":7}`, `if-match: "1"`, 200, `{"id":1,"rev":2,"text":"tea"}`},
		{"PUT", "/notes/1", `{"text":"rum"}`, `if-match: "1"`, 412, "somebody else"},
		{"PUT", "/notes/1", `{"text":"rum"}`, `if-match: *`, 200, `etag: "3"`},
		{"POST", "/notes", `{"text":""}`, "", 400, "a note has a text"},
		{"POST", "/notes", `milk`, "", 400, "a note has a text"},
		{"POST", "/notes", `{"text":"x"}`, "content-type: text/plain", 415, "application/json"},
		{"PATCH", "/notes/1", "", "", 405, "allow: DELETE, GET, PUT"},
		{"DELETE", "/notes", "", "", 405, "allow: GET, POST"},
		{"DELETE", "/notes/1", "", "", 204, ""},
		{"GET", "/notes/1", "", "", 404, "no such note"},
		{"DELETE", "/notes/1", "", "", 404, "no such note"},
		{"GET", "/notes/one", "", "", 404, "no such note"},
		{"GET", "/", "", "", 404, "no such resource"},
		{"GET", "/notes?after=x", "", "", 400, "after"},
	}
	for _, s := range steps {
		var headers []string
		if s.header != "" {
			headers = append(headers, s.header)
		}
		r := do(t, a, s.method, s.url, s.body, headers...)
		name, value, isHeader := strings.Cut(s.want, ": ")
		found := strings.Contains(string(r.Body), s.want)
		if isHeader {
			found = r.Header.Get(name) == value
		}
		if r.Status != s.status || !found {
			t.Errorf("%s %s %s: %d %v %s, want %d with %q", s.method, s.url, s.body, r.Status, r.Header, r.Body, s.status, s.want)
		}
	}
}

func TestPages(t *testing.T) {
	a := guesttest.New(t, "restapi", guesttest.Options{})
	for i := range 45 {
		do(t, a, "POST", "/notes", fmt.Sprintf(`{"text":"note %d"}`, i+1))
	}
	url, pages, all := "/notes", 0, ""
	for url != "" {
		r := do(t, a, "GET", url, "")
		pages, all = pages+1, all+string(r.Body)
		link, more := strings.CutSuffix(strings.TrimPrefix(r.Header.Get("link"), "<"), `>; rel="next"`)
		if url = ""; more {
			url = "/notes" + link
		}
	}
	if pages != 3 || strings.Count(all, `"id"`) != 45 || !strings.Contains(all, `"note 45"`) {
		t.Errorf("%d pages with %d notes", pages, strings.Count(all, `"id"`))
	}
}

func TestEvents(t *testing.T) {
	a := guesttest.New(t, "restapi", guesttest.Options{})
	read := func(p *guesttest.Pending) string {
		t.Helper()
		r, err := p.Response()
		if !errors.Is(err, guesttest.ErrOpen) || r == nil || r.Header.Get("content-type") != "text/event-stream" {
			t.Fatalf("a stream that is %+v, %v", r, err)
		}
		return string(r.Body)
	}
	follow := func(seen string) *guesttest.Pending {
		r := guest.Request{Method: "GET", URL: "/events", Header: guest.Header{}}
		if seen != "" {
			r.Header.Set("last-event-id", seen)
		}
		return a.BeginRequest(r)
	}
	first := follow("")
	do(t, a, "POST", "/notes", `{"text":"milk"}`)
	do(t, a, "POST", "/notes", `{"text":""}`) // refused
	do(t, a, "DELETE", "/notes/1", "")
	want := "id: 1\nevent: created\ndata: {\"id\":1,\"rev\":1,\"text\":\"milk\"}\n\nid: 2\nevent: deleted\ndata: {\"id\":1,\"rev\":1,\"text\":\"milk\"}\n\n"
	if got := read(first); got != ": welcome\n\n"+want {
		t.Errorf("the stream is %q", got)
	}
	if got := read(follow("1")); got != ": welcome\n\n"+want[strings.Index(want, "id: 2"):] {
		t.Errorf("the stream goes on with %q", got)
	}

	// Who has gone is not written to, and a restart ends them all.
	if err := first.Gone(); err != nil {
		t.Fatal(err)
	}
	var s State
	if a.State(&s); len(s.Streams) != 1 {
		t.Errorf("%d streams, want 1", len(s.Streams))
	}
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	if a.State(&s); len(s.Streams) != 0 {
		t.Errorf("%d streams after a restart", len(s.Streams))
	}
	// HEAD has no stream to follow.
	if r := do(t, a, "HEAD", "/events", ""); r.Header.Get("content-type") != "text/event-stream" {
		t.Errorf("HEAD: %+v", r)
	}
	for i := range keepEvents + 5 {
		do(t, a, "POST", "/notes", fmt.Sprintf(`{"text":"%d"}`, i))
	}
	if got := strings.Count(read(follow("0")), "id: "); got != keepEvents {
		t.Errorf("%d events are kept, want %d", got, keepEvents)
	}
}
