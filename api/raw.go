package api

import (
	"io"
	"net/http"
	"strings"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Raw HTTP: the request as it came goes to the actor's own handler, and its answer to the client. It is a
// stranger's page on our origin, so little passes: see passResponse.

// rawPath is the part of a gateway path behind which the actor's own begins.
const rawPath = "/request"

// rawHTTP reports whether the route hands requests to the actor as they are.
func (rt *route) rawHTTP() bool {
	return rt.path == "/gateway/{target}"+rawPath || rt.path == "/gateway/{target}"+rawPath+"/*"
}

// anyRequest serves a raw request.
func (s *Server) anyRequest(w http.ResponseWriter, q *request) error {
	if err := s.admitTurn(q); err != nil {
		return err
	}
	body, err := q.readBody()
	if err != nil {
		return err
	}
	id, err := s.resolve(q)
	if err != nil {
		return err
	}
	setActor(w, id)
	r, err := s.host.Request(q.Context(), id, actors.RawRequest{
		Head: q.rawHead(), Body: body, Caller: q.who.Subject, Origin: q.origin(),
	})
	if abi.CodeOf(err) == abi.CodeNoHandler {
		return noHandler(w) // as Rivet does: without a body
	}
	if err != nil {
		return err
	}
	defer r.Close()
	passResponse(w.Header(), r.Head.Header)
	if r.Next == nil {
		return writeRaw(w, r)
	}
	return s.streamRaw(w, q, r)
}

// rawHead is what the actor sees of the request: its path is what comes behind rawPath.
func (q *request) rawHead() abi.RequestHead {
	h := q.head()
	h.URL = behindRaw(h.URL)
	return h
}

// rawPath returns the path that the actor sees, without a query.
func (q *request) rawPath() string {
	path, _, _ := strings.Cut(behindRaw(q.actorURL()), "?")
	return path
}

func behindRaw(url string) string {
	if url = strings.TrimPrefix(url, rawPath); !strings.HasPrefix(url, "/") {
		url = "/" + url
	}
	return url
}

// passed are the response headers that an actor may set; also any that begins with x-app-. What would act
// beyond this answer, on our origin or on the proxy before us, is not among them.
var passed = map[string]bool{
	"accept-ranges": true, "age": true, "allow": true, "cache-control": true, "content-disposition": true, "content-encoding": true,
	"content-language": true, "content-location": true, "content-range": true, "content-type": true, "etag": true,
	"expires": true, "last-modified": true, "link": true, "location": true, "pragma": true, "retry-after": true, "server-timing": true,
	"vary": true, "x-request-id": true, "x-robots-tag": true, "x-total-count": true,
}

const passedPrefix = "x-app-"

// passResponse writes the actor's headers that may pass, and those that a stranger's page must have.
func passResponse(h http.Header, from map[string][]string) {
	for name, values := range from {
		lower := strings.ToLower(name)
		if !passed[lower] && !strings.HasPrefix(lower, passedPrefix) {
			continue
		}
		if lower != "vary" { // ours stays
			h.Del(name)
		}
		for _, v := range values {
			h.Add(name, v)
		}
	}
	h.Set("Content-Security-Policy", guestPolicy)
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", typeBytes) // or net/http would guess
	}
}

// guestPolicy keeps what a guest serves from acting in our origin's name.
const guestPolicy = "sandbox allow-scripts allow-forms"

func noHandler(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("X-Rivet-Error", abi.CodeNoHandler.Group()+"."+abi.CodeNoHandler.Name())
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusNotFound)
	return nil
}

// bodyless reports whether an answer with a status has no body.
func bodyless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

func writeRaw(w http.ResponseWriter, r *actors.RawResponse) error {
	if bodyless(r.Head.Status) {
		w.Header().Del("Content-Type")
		w.WriteHeader(r.Head.Status)
		return nil
	}
	return writeBytes(w, r.Head.Status, w.Header().Get("Content-Type"), r.Body)
}

// streamRaw sends the parts as they come, until the last, or until the client goes, its token ends or the server
// shuts down.
func (s *Server) streamRaw(w http.ResponseWriter, q *request, r *actors.RawResponse) error {
	ctx, cancel := q.untilEnd(s)
	defer cancel()
	w.Header().Set("X-Accel-Buffering", "no") // a proxy shall pass parts on at once
	w.WriteHeader(r.Head.Status)
	ctl := http.NewResponseController(w)
	for err := ctl.Flush(); err == nil; err = ctl.Flush() {
		b, err := r.Next(ctx)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err // which cuts the connection: the answer is not whole
		case bodyless(r.Head.Status) || q.Method == http.MethodHead:
			continue
		}
		if _, err := w.Write(b); err != nil {
			break
		}
	}
	return nil // the client has gone
}
