package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/logtext"
	"github.com/vivarium-run/vivarium/tenants"
)

// What operators, admins and deployers do is written down: one line for each request on their routes, of what was refused
// too. It is done here, for the route decides: a route that is added is audited unless it only looks or only calls actors.

// manages are the rights of those whose doings are written down.
var manages = []tenants.Right{tenants.RightOperate, tenants.RightAdmin, tenants.RightDeploy}

// audited reports whether the route's requests are written down: those that change something, or take all away, and are not
// for callers of actors alone.
func (rt *route) audited() bool {
	return rt.method != http.MethodGet && slices.ContainsFunc(rt.rights, func(r tenants.Right) bool { return slices.Contains(manages, r) })
}

// auditLine is one line. What strangers chose in it is one line of text, and none of it is a secret: no body, no query, no
// token but its id.
type auditLine struct {
	Time      time.Time         `json:"time"` // when the request came
	Request   string            `json:"request"`
	Route     string            `json:"route"`           // method and path, as docs/api.md has them
	Names     map[string]string `json:"names,omitempty"` // that the path has in the place of {…}
	Namespace string            `json:"namespace,omitempty"`
	Subject   string            `json:"subject,omitempty"`
	Role      string            `json:"role,omitempty"` // of a good token, or of dev's admin
	Token     string            `json:"token,omitempty"`
	Key       string            `json:"key,omitempty"`  // of the namespace, that signed the token or its ancestor
	From      []string          `json:"from,omitempty"` // ids of the tokens that it was derived of
	Client    string            `json:"client"`
	Status    int               `json:"status"`
	Code      string            `json:"code,omitempty"`     // of a failure
	LeftOut   int               `json:"left_out,omitempty"` // lines of strangers that were not written before this one
}

// Bounds of what a stranger has a say in.
const (
	auditText  = 256 // bytes of each text
	auditNames = 32  // ids of ancestors
	// A minute's lines of those who were refused, or who manage nothing: of an address, and of all.
	strangerLines  = 30
	strangersLines = 120
	// keptLines are those that wait for the file to be writable again.
	keptLines = 1000
)

// auditor writes the lines.
type auditor struct {
	file io.Writer // nil: the lines are in the host's log only
	log  *slog.Logger
	now  func() time.Time

	strangers visitors // by address, and the zero one for all

	mu      sync.Mutex // guards the fields below; held while a line is written, so that lines do not mix
	kept    [][]byte   // could not be written
	leftOut int
}

// audit serves a request and writes down what became of it. Nothing is done while the file cannot be written: what nobody
// could see afterwards shall not happen. The lines of what went on when that began are kept, and come first.
func (s *Server) audit(w *echo.Response, q *request) error {
	begun := s.now()
	if err := s.auditor.ready(); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // a panic, on its way to edge
			s.writeDown(w, q, begun, abi.Wrap(abi.CodeInternal, errors.New("panic")))
		}
	}()
	err := s.serve(w, q)
	done = true
	s.writeDown(w, q, begun, err)
	return err
}

func (s *Server) writeDown(w *echo.Response, q *request, begun time.Time, err error) {
	l := auditLine{
		Time: begun.UTC().Truncate(time.Millisecond), Request: w.Header().Get(rayHeader), Route: q.route.method + " " + q.route.path,
		Namespace: string(q.ns), Client: logtext.Line(s.remote(q.Request), auditText), Status: w.Status,
		Subject: text(q.asker.Subject), Role: string(q.asker.Role), Token: text(q.asker.TokenID), Key: text(keyOf(q.asker)), Names: map[string]string{},
	}
	if from := q.asker.From; from != nil {
		for _, id := range from.IDs[:min(len(from.IDs), auditNames)] {
			l.From = append(l.From, text(id))
		}
	}
	for name, value := range q.params {
		l.Names[name] = text(redactText(value))
	}
	code := abi.Code(0)
	if err != nil {
		e := s.public(err, q.Request)
		code = e.Code
		l.Status, l.Code = statusOf(code), code.String()
	}
	stranger := isRefused(code) || !slices.ContainsFunc(manages, q.asker.May)
	if stranger && !s.auditor.admit(visitor{addr: holdAddr(s.client(q.Request))}) {
		return
	}
	s.auditor.write(l)
}

// text is what a stranger chose, for a line.
func text(s string) string { return logtext.Line(s, auditText) }

// keyOf returns the id of the namespace's key that a token comes from; empty if it comes from the host's.
func keyOf(p tenants.Principal) string {
	switch {
	case p.From != nil && p.From.Key != nil:
		return p.From.Key.ID
	case p.Signer != nil:
		return p.Signer.ID
	}
	return ""
}

// isRefused reports whether a failure is that of who may not do it.
func isRefused(c abi.Code) bool {
	switch c {
	case abi.CodeUnauthenticated, abi.CodeForbidden, abi.CodeOriginDenied, abi.CodeNamespaceNotFound, abi.CodeRateLimited:
		return true
	}
	return false
}

// admit reports whether there is room for a stranger's line: a flood of them would push everybody else's out of the file.
func (a *auditor) admit(who visitor) bool {
	now := a.now()
	if a.strangers.take(who, strangerLines, now) == 0 && a.strangers.take(visitor{}, strangersLines, now) == 0 {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leftOut++
	return false
}

// ready returns nil, or CodeAuditUnavailable if the file cannot be written. It tries again what could not be.
func (a *auditor) ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.kept) > 0 {
		// The first may be in the file already, in part: what is there of it ends here.
		if _, err := a.file.Write(append([]byte("\n"), a.kept[0]...)); err != nil {
			return &abi.Error{Code: abi.CodeAuditUnavailable, Retry: time.Second, Cause: err}
		}
		if a.kept = a.kept[1:]; len(a.kept) == 0 {
			a.log.Info("the audit log is written again")
		}
	}
	return nil
}

// write writes a line to the host's log, and to the file if there is one.
func (a *auditor) write(l auditLine) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l.LeftOut, a.leftOut = a.leftOut, 0
	a.log.LogAttrs(context.Background(), slog.LevelInfo, "audit", l.attrs()...)
	if a.file == nil {
		return
	}
	b, err := json.Marshal(l)
	if err == nil {
		b = append(b, '\n')
		if len(a.kept) == 0 {
			_, err = a.file.Write(b)
		}
		if (err != nil || len(a.kept) > 0) && len(a.kept) < keptLines {
			a.kept = append(a.kept, b)
		}
	}
	if err != nil {
		a.log.Error("the audit log cannot be written: what is to be audited is refused", "error", err)
	}
}

// attrs are the line for the host's log.
func (l *auditLine) attrs() []slog.Attr {
	all := []slog.Attr{slog.Bool("audit", true), slog.String("request", l.Request), slog.String("route", l.Route), slog.Int("status", l.Status)}
	for _, name := range slices.Sorted(maps.Keys(l.Names)) {
		all = append(all, slog.String("path_"+name, l.Names[name]))
	}
	for _, a := range []struct{ name, value string }{
		{"code", l.Code}, {"tenant", l.Namespace}, {"subject", l.Subject}, {"role", l.Role}, {"token", l.Token}, {"key", l.Key}, {"client", l.Client},
	} {
		if a.value != "" {
			all = append(all, slog.String(a.name, a.value))
		}
	}
	if l.LeftOut > 0 {
		all = append(all, slog.Int("left_out", l.LeftOut))
	}
	return all
}
