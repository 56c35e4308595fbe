package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// notAudited is written down a second time on purpose: a route that is neither a look nor here is audited.
var notAudited = []string{"PUT /actors", "POST /actors", "POST /gateway/{target}/action/{action}", "* /gateway/{target}/request",
	"* /gateway/{target}/request/*", "POST /gateway/{target}/queue/{queue}", "* /gateway/*"}

func TestAuditedRoutes(t *testing.T) {
	for _, rt := range routes() {
		id := rt.method + " " + rt.path
		if got, want := rt.audited(), rt.method != "GET" && !slices.Contains(notAudited, id); got != want {
			t.Errorf("%s: audited = %t, want %t", id, got, want)
		}
	}
}

// auditFile is an audit log that may fail.
type auditFile struct {
	mu   sync.Mutex // guards the fields below
	text bytes.Buffer
	full bool // writes half of each line
}

func (f *auditFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full {
		n, _ := f.text.Write(b[:len(b)/2])
		return n, errors.New("no space left on device")
	}
	return f.text.Write(b)
}

func (f *auditFile) fill(full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = full
}

// lines returns what was written since the last look. Lines that are cut off are left out.
func (f *auditFile) lines() (list []auditLine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for line := range strings.Lines(f.text.String()) {
		var l auditLine
		if json.Unmarshal([]byte(line), &l) == nil {
			list = append(list, l)
		}
	}
	f.text.Reset()
	return list
}

func newAudited(t *testing.T) (*fixture, *auditFile) {
	file := &auditFile{}
	f := newFixture(t, func(c *Config) { c.Audit = file })
	uploads(f, nil)
	return f, file
}

// one returns the one line that was written. It comes after the answer.
func (f *auditFile) one(t *testing.T) auditLine {
	t.Helper()
	var list []auditLine
	kvtest.Eventually(t, "a line of audit", func() bool { list = append(list, f.lines()...); return len(list) > 0 })
	if len(list) != 1 {
		t.Fatalf("%d lines: %+v", len(list), list)
	}
	return list[0]
}

// Each route that manages something leaves one line, whoever asks and whatever comes of it, and no secret in it.
func TestAudit(t *testing.T) {
	f, file := newAudited(t)
	id := f.actor("counter", "a")
	for _, rt := range routes() {
		if !rt.audited() {
			continue
		}
		with, without := roleFor(rt.rights)
		for _, role := range []tenants.Role{with, without, ""} {
			f.srv.auditor.strangers = visitors{}
			header := "no token"
			if role != "" {
				header = f.as(role)
			} else if without == "" && with != "" {
				header = "Authorization: Bearer x.y.z"
			}
			a := f.do(rt.method, fill(rt.path, id)+"?secret=hidden", `{"hidden":1}`, header, rayHeader+": request-of-mine")
			l := file.one(t)
			want := auditLine{
				Time: l.Time, Request: "request-of-mine", Route: rt.method + " " + rt.path, Client: l.Client, Status: a.status, Code: l.Code,
				Names: l.Names, Namespace: l.Namespace, Subject: l.Subject, Role: string(role), Token: l.Token,
			}
			if got := mustJSON(l); got != mustJSON(want) {
				t.Errorf("%s as %q: got %s, want %s", want.Route, role, got, mustJSON(want))
			}
			if (a.status >= 400) != (l.Code != "") || a.status >= 400 && !strings.Contains(a.body, `"code":"`+l.Code[strings.Index(l.Code, "/")+1:]+`"`) {
				t.Errorf("%s as %q: code %q of %d %s", want.Route, role, l.Code, a.status, a.body)
			}
			if role != "" && (l.Subject != "ann" || l.Token == "") || l.Client != "127.0.0.1" || time.Since(l.Time) > time.Minute {
				t.Errorf("%s as %q: %+v", want.Route, role, l)
			}
			if all := mustJSON(l); strings.Contains(all, "hidden") || strings.Contains(all, "eyJ") {
				t.Errorf("%s: it tells a secret: %s", want.Route, all)
			}
			if role == with && l.Namespace != "default" {
				t.Errorf("%s: namespace %q", want.Route, l.Namespace)
			}
		}
	}
	if !strings.Contains(f.log.String(), "audit=true") {
		t.Error("the host's log has no such lines")
	}
	f.do("GET", "/modules", "").wantBody(t, 200, f.do("GET", "/modules", "").body)
	if left := file.lines(); len(left) > 0 {
		t.Errorf("a look leaves %+v", left)
	}
}

func TestAuditOfTokens(t *testing.T) {
	f, file := newAudited(t)
	ours := newIssuer(t, "ours")
	if _, _, err := f.reg.PutTokenKey(t.Context(), tenants.Default, tenants.NewTokenKey{ID: ours.id, PEM: ours.pem(t)}); err != nil {
		t.Fatal(err)
	}
	a := f.do("POST", "/namespaces/default/tokens", `{"role":"deploy","ttl":60}`, ours.as(`{"ns":"default","role":"admin","sub":"eve","jti":"parent"}`))
	l := file.one(t)
	if l.Key != "ours" || l.Token != "parent" || l.Subject != "eve" || l.Status != a.status || l.Names["namespace"] != "default" {
		t.Errorf("of a key: %+v, of %d %s", l, a.status, a.body)
	}
	var derived struct{ Token string }
	if err := json.Unmarshal([]byte(a.body), &derived); err != nil || derived.Token == "" {
		t.Fatalf("derived: %d %s", a.status, a.body)
	}
	f.do("DELETE", "/modules/absent", "", "Authorization: Bearer "+derived.Token).wantError(t, 404, "module", "not_found")
	if l := file.one(t); l.Key != "ours" || !slices.Contains(l.From, "parent") || l.Names["module"] != "absent" || l.Code != "module/not_found" {
		t.Errorf("of a derived one: %+v", l)
	}
}

// A stranger cannot fill the file, nor hide in it how much was left out.
func TestAuditOfAFlood(t *testing.T) {
	f, file := newAudited(t)
	now := time.Now()
	f.srv.now = func() time.Time { return now }
	for range 200 {
		f.do("DELETE", "/modules/x", "", "no token").wantError(t, 401, "auth", "unauthenticated")
	}
	kept := file.lines()
	if len(kept) == 0 || len(kept) > strangerLines {
		t.Errorf("%d lines of 200", len(kept))
	}
	f.do("DELETE", "/modules/x", "").wantError(t, 404, "module", "not_found")
	if l := file.one(t); l.Code != "module/not_found" || l.LeftOut != 200-len(kept) {
		t.Errorf("a line of one who may: %+v, want %d left out", l, 200-len(kept))
	}
	// Who manages nothing and derives tokens all day is held to the same.
	invoke := f.as(tenants.RoleInvoke)
	for range 200 {
		f.do("POST", "/namespaces/default/tokens", `{}`, invoke)
	}
	if kept := file.lines(); len(kept) > strangerLines {
		t.Errorf("%d lines of who manages nothing", len(kept))
	}
}

// What cannot be written down is not done; what was done meanwhile is written once it can be.
func TestAuditThatCannotBeWritten(t *testing.T) {
	f, file := newAudited(t)
	operator := f.as(tenants.RoleOperator, "")
	create := func(name string) answer { return f.do("POST", "/namespaces", `{"name":"`+name+`"}`, operator) }
	file.fill(true)
	if a := create("first"); a.status != 200 { // nobody could know
		t.Fatalf("got %d %s", a.status, a.body)
	}
	kvtest.Eventually(t, "the failure to be noticed", func() bool { return strings.Contains(f.log.String(), "cannot be written") })
	for _, header := range []string{operator, "no token"} {
		a := f.do("POST", "/namespaces", `{"name":"second"}`, header)
		if a.wantError(t, 503, "audit", "unavailable"); a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if len(f.reg.Namespaces()) != 3 {
		t.Errorf("namespaces: %v", f.reg.Namespaces())
	}
	f.do("GET", "/namespaces", "", operator) // a look goes on
	f.do("PUT", "/actors", `{"name":"counter"}`)
	file.fill(false)
	if a := create("second"); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	var codes []int
	kvtest.Eventually(t, "both lines", func() bool {
		for _, l := range file.lines() {
			codes = append(codes, l.Status)
		}
		return len(codes) >= 2
	})
	if !slices.Equal(codes, []int{200, 200}) {
		t.Errorf("lines of %v", codes)
	}
}

// hostileTexts are what strangers would have in our logs.
var hostileTexts = map[string]string{
	"line ends": "x\nlevel=ERROR msg=forged\r\n{\"time\":\"forged\"}", "unicode line ends": "x\u2028forged\u2029forged\u0085forged",
	"ANSI": "\x1b[2J\x1b[31mred\u009b0m", "bidirectional": "x\u202etxt\u2066y", "NUL": "a\x00b", "not UTF-8": "a\xff\xfe", "huge": strings.Repeat("huge", 5000),
}

// Whatever is in names, it makes one line of text that moves no cursor.
func TestAuditOfHostileTexts(t *testing.T) {
	f, file := newAudited(t)
	var host kvtest.Log
	f.srv.auditor.log = slog.New(slog.NewTextHandler(&host, nil))
	for name, text := range hostileTexts {
		t.Run(name, func(t *testing.T) {
			if len(text) > 8000 {
				text = text[:8000]
			}
			path := "/modules/"
			for _, b := range []byte(text) {
				path += fmt.Sprintf("%%%02x", b)
			}
			token := f.sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleAdmin, TTL: time.Hour, Subject: strings.ToValidUTF8(text[:min(len(text), 100)], "")})
			r := f.request("DELETE", path, http.NoBody, "Authorization: Bearer "+token)
			if a := f.send(r); a.status != 404 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			var lines []string
			kvtest.Eventually(t, "a line", func() bool {
				file.mu.Lock()
				defer file.mu.Unlock()
				lines = slices.Collect(strings.Lines(file.text.String()))
				return len(lines) > 0
			})
			file.lines()
			if len(lines) != 1 || len(lines[0]) > 4<<10 {
				t.Fatalf("%d lines, the first of %d bytes", len(lines), len(lines[0]))
			}
			for where, line := range map[string]string{"the file": lines[0], "the log": host.String()} {
				for _, r := range strings.ReplaceAll(line, "\n", "") {
					if !unicode.IsPrint(r) {
						t.Errorf("%s has %q in it: %q", where, r, line)
						break
					}
				}
			}
			if n := strings.Count(host.String(), "audit=true"); n != strings.Count(host.String(), "\n") {
				t.Errorf("%d records on %d lines: %s", n, strings.Count(host.String(), "\n"), host.String())
			}
			if !json.Valid([]byte(lines[0])) {
				t.Errorf("no JSON: %s", lines[0])
			}
		})
	}
}
