// Restapi is a small HTTP API of an actor's own: notes as resources under /notes, with the methods, status
// codes and headers that HTTP clients expect, and a stream of server-sent events under /events.
//
// Use raw HTTP for clients that speak no actor protocol: browsers' forms, curl, webhooks. Actions are
// shorter to write and typed. A stream costs one open request, at most 256 an actor; each event is a part
// of its answer that leaves when the turn that wrote it is durable.
package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is what the API keeps besides the notes, which lie in KV under note/<id>.
type State struct {
	Last    int                 `json:"last"`    // id of the newest note
	Event   int                 `json:"event"`   // number of the newest event
	Streams []guest.OpenRequest `json:"streams"` // who follows /events
}

// Note is one note. Rev changes with it, and is its ETag.
type Note struct {
	ID   int    `json:"id"`
	Rev  int    `json:"rev"`
	Text string `json:"text"`
}

const keepEvents = 100 // for streams that were cut off

type ctx = guest.Ctx[State]

var _ = guest.Actor("restapi", guest.Def[State]{
	Request: serve,
	Wake: func(c *ctx, _ guest.Wake) error {
		// Open requests do not outlive the instance; their clients come again with Last-Event-ID.
		c.State.Streams = slices.DeleteFunc(c.State.Streams, func(r guest.OpenRequest) bool { return !c.RequestOpen(r) })
		return nil
	},
	Gone: func(c *ctx, gone guest.OpenRequest) error {
		c.State.Streams = slices.DeleteFunc(c.State.Streams, func(r guest.OpenRequest) bool { return r == gone })
		return nil
	},
})

// serve finds who answers. An error of the guest's own would do, too; an API has its own shape of errors.
func serve(c *ctx, r *guest.Request) (*guest.Response, error) {
	id, one := strings.CutPrefix(r.Path(), "/notes/")
	switch {
	case r.Path() == "/notes":
		return byMethod(c, r, methods{"GET": list, "POST": create})
	case r.Path() == "/events":
		return byMethod(c, r, methods{"GET": events})
	case one:
		n, err := strconv.Atoi(id)
		if err != nil {
			return problem(404, "no such note")
		}
		var note Note
		if ok, err := c.KV().GetJSON(key(n), &note); err != nil || !ok {
			return orProblem(err, 404, "no such note")
		}
		with := func(f func(*ctx, *guest.Request, Note) (*guest.Response, error)) handler {
			return func(c *ctx, r *guest.Request) (*guest.Response, error) { return f(c, r, note) }
		}
		return byMethod(c, r, methods{"GET": with(get), "PUT": with(put), "DELETE": with(remove)})
	}
	return problem(404, "no such resource")
}

type handler = func(*ctx, *guest.Request) (*guest.Response, error)

type methods map[string]handler

func byMethod(c *ctx, r *guest.Request, m methods) (*guest.Response, error) {
	method := r.Method
	if method == "HEAD" { // the host leaves the body out
		method = "GET"
	}
	if h := m[method]; h != nil {
		return h(c, r)
	}
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	p, err := problem(405, "no "+r.Method+" here")
	p.Header.Set("allow", strings.Join(names, ", "))
	return p, err
}

func problem(status int, text string) (*guest.Response, error) {
	return guest.JSON(status, map[string]string{"error": text})
}

func orProblem(err error, status int, text string) (*guest.Response, error) {
	if err != nil {
		return nil, err
	}
	return problem(status, text)
}

// answer returns a note with its ETag.
func answer(status int, n Note) (*guest.Response, error) {
	a, err := guest.JSON(status, n)
	if err == nil {
		a.Header.Set("etag", n.etag())
	}
	return a, err
}

func (n Note) etag() string { return strconv.Quote(strconv.Itoa(n.Rev)) }

func key(id int) string { return fmt.Sprintf("note/%012d", id) }

// list returns a page of notes, with a link to the next one.
func list(c *ctx, r *guest.Request) (*guest.Response, error) {
	const size = 20
	after := 0
	if s, ok := r.Query("after"); ok {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return problem(400, "after is a note's id")
		}
		after = n
	}
	page := []Note{}
	for item, err := range c.KV().Scan(guest.Range{Prefix: "note/", After: key(after), Limit: size}) {
		var n Note
		if err == nil {
			err = item.JSON(&n)
		}
		if err != nil {
			return nil, err
		}
		page = append(page, n)
	}
	a, err := guest.JSON(200, page)
	if err == nil && len(page) == size {
		a.Header.Set("link", fmt.Sprintf(`<?after=%d>; rel="next"`, page[size-1].ID))
	}
	return a, err
}

func create(c *ctx, r *guest.Request) (*guest.Response, error) {
	n, bad, err := body(r)
	if bad != nil || err != nil {
		return bad, err
	}
	c.State.Last++
	n.ID, n.Rev = c.State.Last, 1
	if err := store(c, "created", n); err != nil {
		return nil, err
	}
	a, err := answer(201, n)
	if err == nil {
		a.Header.Set("location", fmt.Sprintf("notes/%d", n.ID))
	}
	return a, err
}

func get(_ *ctx, r *guest.Request, n Note) (*guest.Response, error) {
	if r.Header.Get("if-none-match") == n.etag() {
		return &guest.Response{Status: 304, Header: guest.Header{"etag": {n.etag()}}}, nil
	}
	return answer(200, n)
}

// put replaces a note, if the client has seen the newest one.
func put(c *ctx, r *guest.Request, old Note) (*guest.Response, error) {
	n, bad, err := body(r)
	if bad != nil || err != nil {
		return bad, err
	}
	switch r.Header.Get("if-match") {
	case "":
		return problem(428, "say with If-Match what you want to replace")
	case old.etag(), "*":
	default:
		return problem(412, "somebody else has changed it")
	}
	n.ID, n.Rev = old.ID, old.Rev+1
	if err := store(c, "changed", n); err != nil {
		return nil, err
	}
	return answer(200, n)
}

func remove(c *ctx, _ *guest.Request, n Note) (*guest.Response, error) {
	if err := c.KV().Delete(key(n.ID)); err != nil {
		return nil, err
	}
	return nil, tell(c, "deleted", n) // no response is 204
}

// body reads a note that a client sends.
func body(r *guest.Request) (n Note, bad *guest.Response, err error) {
	if kind, _, _ := strings.Cut(r.Header.Get("content-type"), ";"); kind != "application/json" {
		bad, err = problem(415, "send application/json")
	} else if json.Unmarshal(r.Body, &n) != nil || n.Text == "" {
		bad, err = problem(400, "a note has a text")
	}
	return n, bad, err
}

func store(c *ctx, event string, n Note) error {
	if err := c.KV().PutJSON(key(n.ID), n); err != nil {
		return err
	}
	return tell(c, event, n)
}

func main() {}
