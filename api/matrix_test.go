package api

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

// caller is one kind of token, and what is known of it.
type caller struct {
	name   string
	header []string
	who    *tenants.Principal // nil if the token is no good
	within bool               // its limits hold what the routes name
	page   bool               // what it asks comes from a page of its own
}

// matrix is a server with two namespaces, an actor in each, and every kind of caller.
type matrix struct {
	*fixture
	actors      map[tenants.Address]actors.Info // as they are before each request
	mine, other tenants.ActorID
	callers     []caller
}

// marker is in what the other namespace has, and so in no answer to anybody else.
const marker = "zz-secret-of-the-other"

func newMatrix(t *testing.T) *matrix {
	f := newFixture(t, func(c *Config) { c.RejectDelay = 1 })
	uploads(f, nil)
	m := &matrix{fixture: f, mine: f.actor("counter", "a")}
	m.other = f.host.put(tenants.Address{Namespace: "other", Name: "counter", Key: marker}).ID
	m.actors = maps.Clone(f.host.actors)
	if _, _, err := f.publishFor("other", strings.NewReader("wasm"), actors.UploadOptions{Module: marker, Live: true}); err != nil {
		t.Fatal(err)
	}
	m.makeCallers(t)
	return m
}

func (m *matrix) add(name, token string, within, page bool, header ...string) {
	m.t.Helper()
	p, err := m.srv.tokens.Verify(m.t.(*testing.T).Context(), token, time.Now())
	c := caller{name: name, header: append(header, "Authorization: Bearer "+token), within: within, page: page}
	if err == nil {
		c.who = &p
	}
	m.callers = append(m.callers, c)
}

func (m *matrix) makeCallers(t *testing.T) {
	good := m.token(tenants.RoleAdmin)
	parts := strings.Split(good, ".")
	for name, header := range map[string]string{
		"none": "no token", "garbage": "Authorization: Bearer x.y.z", "Basic": "Authorization: Basic eDp5", "empty": "X-Rivet-Token: ",
		"alg none": "Authorization: Bearer eyJhbGciOiJub25lIn0." + parts[1] + ".", "two headers": "X-Rivet-Token: x",
	} {
		m.callers = append(m.callers, caller{name: name, header: []string{"no token", header}})
	}
	m.add("another key", func() string {
		k, err := tenants.NewKeyring([]byte(strings.Repeat("x", 32)))
		if err != nil {
			t.Fatal(err)
		}
		s, err := k.Sign(tenants.Claims{Role: tenants.RoleOperator, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}(), false, false)

	ours, theirs, gone := newIssuer(t, "ours"), newIssuer(t, "theirs"), newIssuer(t, "gone")
	for _, k := range []struct {
		ns tenants.ID
		*issuer
	}{{tenants.Default, ours}, {"other", theirs}, {tenants.Default, gone}} {
		if _, _, err := m.reg.PutTokenKey(t.Context(), k.ns, tenants.NewTokenKey{ID: k.id, PEM: k.pem(t)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.reg.DeleteTokenKey(t.Context(), tenants.Default, "gone"); err != nil {
		t.Fatal(err)
	}
	revoked := m.token(tenants.RoleOperator, "")
	p, err := m.keys.Verify(revoked, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.reg.Revoke(t.Context(), "", tenants.Revocation{TokenID: p.TokenID, Until: p.Expires}); err != nil {
		t.Fatal(err)
	}
	m.add("revoked", revoked, false, false)
	m.add("of a key that is gone", gone.token(`{"ns":"default","role":"admin"}`), false, false)
	m.add("of our key, for the other", ours.token(`{"ns":"other","role":"admin"}`), false, false)
	m.add("of our key, operator", ours.token(`{"role":"operator"}`), false, false)
	for _, c := range m.callers {
		if c.who != nil {
			t.Fatalf("%s is a good token", c.name)
		}
	}
	bad := len(m.callers)

	for _, role := range []tenants.Role{tenants.RoleRead, tenants.RoleInvoke, tenants.RoleDeploy, tenants.RoleAdmin} {
		m.add(string(role), m.token(role), true, false)
		m.add(string(role)+" of the other", m.token(role, "other"), true, false)
		m.add(string(role)+" of our key", ours.token(fmt.Sprintf(`{"ns":"default","role":%q,"jti":"1"}`, role)), true, false)
		m.add(string(role)+" of the other's key", theirs.token(fmt.Sprintf(`{"ns":"other","role":%q,"jti":"1"}`, role)), true, false)
	}
	m.add("operator", m.token(tenants.RoleOperator, ""), true, false)
	m.add("operator of default", m.token(tenants.RoleOperator), true, false)
	signed := func(role tenants.Role, l tenants.Limits) string {
		return m.sign(tenants.Claims{Namespace: tenants.Default, Role: role, TTL: time.Hour, Limits: &l})
	}
	all := tenants.Limits{Actors: []string{"counter"}, Keys: []string{"a"}, Modules: []string{"x"}, Actions: []string{"x", "queue:x", "connect:", "request:", "websocket:"}}
	none := tenants.Limits{Actors: []string{}, Modules: []string{}, Actions: []string{}}
	public := all
	public.Modules, public.Origins, public.Rate = nil, []string{page}, ptr(6_000)
	m.add("admin with limits", signed(tenants.RoleAdmin, all), true, false)
	m.add("admin of nothing", signed(tenants.RoleAdmin, none), false, false)
	m.add("publishable", signed(tenants.RoleInvoke, public), true, true, "Origin: "+page)
	m.add("publishable, elsewhere", signed(tenants.RoleInvoke, public), true, false, "Origin: https://evil.example")
	m.add("publishable, nowhere", signed(tenants.RoleInvoke, public), true, false)
	for _, c := range m.callers[bad:] {
		if c.who == nil {
			t.Fatalf("%s is no good token", c.name)
		}
	}
}

// verdict is what a caller is to be told of a route: an error of ours, or empty if it may go on.
func (m *matrix) verdict(rt *route, c caller, asked string) string {
	switch {
	case len(rt.rights) == 0:
		return ""
	case c.who == nil:
		return "401 auth/unauthenticated"
	case !slices.ContainsFunc(rt.rights, c.who.May):
		return "403 auth/forbidden"
	}
	ns, err := c.who.In(asked)
	switch {
	case err != nil || ns == "absent":
		return "404 namespace/not_found"
	case c.who.Publishable() && !c.page:
		return "403 auth/forbidden_origin"
	case c.who.Publishable() && rt.path == "/namespaces/{namespace}/tokens":
		return "403 auth/forbidden"
	case c.who.Limited() && rt.within.name == "whole":
		return "403 auth/forbidden"
	}
	if !c.within {
		switch rt.within.name {
		case "ofModule", "byAction", "byQueue", "byRequest", "byConnect", "byRaw", "inBody":
			return "403 auth/forbidden"
		case "ofActor":
			return "404 actor/not_found"
		case "nothing":
		default:
			m.t.Fatalf("%s: the matrix knows no check %s", rt.path, rt.within.name)
		}
	}
	if ns != tenants.Default && strings.Contains(rt.path, "{actor}") || ns != tenants.Default && rt.gateway() {
		return "404 actor/not_found"
	}
	return ""
}

// path returns the URL of a route that asks for a namespace, for the one of the token if asked is empty.
func (m *matrix) path(rt *route, asked string) string {
	path := fill(rt.path, m.mine)
	switch {
	case strings.Contains(rt.path, "{namespace}"):
		return strings.Replace(path, "/namespaces/default", "/namespaces/"+asked, 1)
	case rt.path == "/actors" && rt.body == 0: // what everybody may ask who may ask at all
		return path + "?actor_ids=" + m.mine.String() + "&namespace=" + asked
	case asked == "":
		return path
	case rt.gateway():
		return strings.Replace(path, m.mine.String(), "counter", 1) + "?rvt-method=get&rvt-key=a&rvt-namespace=" + asked
	}
	return path + "?namespace=" + asked
}

// bodyFor is the least that a route takes.
func bodyFor(rt *route) string {
	switch rt.within.name {
	case "byAction":
		return `{"args":[]}`
	case "byQueue":
		return `{"body":1}`
	case "inBody":
		return `{"name":"counter","key":"a"}`
	}
	return `{}`
}

// ask returns what a request is told, in short, and the body of an error.
func (m *matrix) ask(method, path, body string, header []string) (short, text string) {
	m.t.Helper()
	m.host.mu.Lock()
	m.host.actors = maps.Clone(m.actors)
	m.host.mu.Unlock()
	r := m.request(method, path, strings.NewReader(body), header...)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 300 {
		return fmt.Sprint(resp.StatusCode), "" // it may be a stream without an end
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	var e errorBody
	_ = json.Unmarshal(b, &e) // an answer without a body has no code
	return fmt.Sprintf("%d %s/%s", resp.StatusCode, e.Group, e.Code), strings.ReplaceAll(string(b), e.RequestID, "")
}

// passes reports whether an answer is a handler's own and not a refusal.
func passes(short string) bool {
	return !strings.HasPrefix(short, "401") && !strings.HasPrefix(short, "403") && !strings.HasPrefix(short, "5") && !strings.Contains(short, "namespace/not_found")
}

// TestMatrix asks every route with every kind of token, for its own and for other namespaces, and compares with what
// the table of routes says.
func TestMatrix(t *testing.T) {
	m := newMatrix(t)
	asks := 0
	for _, rt := range routes() {
		method := rt.method
		if method == anyMethod {
			method = "GET"
		}
		t.Run(rt.method+" "+rt.path, func(t *testing.T) {
			for _, c := range m.callers {
				var foreign [2]string // what is said of a namespace that is another's, and of none
				for _, asked := range []string{"", "default", "other", "absent"} {
					if asked == "" && strings.Contains(rt.path, "{namespace}") || len(rt.rights) == 0 && asked != "" {
						continue
					}
					asks++
					short, text := m.ask(method, m.path(&rt, asked), bodyFor(&rt), c.header)
					want := m.verdict(&rt, c, asked)
					if rt.socket() && asked == "other" && want == "404 actor/not_found" {
						want = "400 guard/invalid_request" // a name is looked for once it is a socket
					}
					if want == "" && !passes(short) || want != "" && short != want {
						t.Errorf("%s asks for %q: %s %s, want %q", c.name, asked, short, text, want)
					}
					if strings.Contains(text, marker) && (c.who == nil || c.who.Namespace != "other" && c.who.Role != tenants.RoleOperator) {
						t.Errorf("%s asks for %q and learns of the other: %s", c.name, asked, text)
					}
					switch asked {
					case "other":
						foreign[0] = text
					case "absent":
						foreign[1] = strings.ReplaceAll(text, "absent", "other")
					}
				}
				if c.who != nil && c.who.Role != tenants.RoleOperator && c.who.Namespace != "other" && foreign[0] != foreign[1] {
					t.Errorf("%s tells another's namespace from none: %s and %s", c.name, foreign[0], foreign[1])
				}
			}
		})
	}
	if asks < 5_000 {
		t.Errorf("only %d requests", asks)
	}
}

// TestMatrixOfIDs asks for another's actor by its id, and for one that is none.
func TestMatrixOfIDs(t *testing.T) {
	m := newMatrix(t)
	absent := tenants.NewActorID("other")
	for _, rt := range routes() {
		if !strings.Contains(rt.path, "{actor}") && !rt.gateway() {
			continue
		}
		method := strings.Replace(rt.method, anyMethod, "PUT", 1)
		for _, c := range m.callers {
			if c.who == nil || c.who.Namespace == "other" {
				continue
			}
			theirs, text := m.ask(method, fill(rt.path, m.other), bodyFor(&rt), c.header)
			none, text2 := m.ask(method, fill(rt.path, absent), bodyFor(&rt), c.header)
			if theirs != none || strings.ReplaceAll(text, m.other.String(), "") != strings.ReplaceAll(text2, absent.String(), "") {
				t.Errorf("%s %s, %s: %s %s and %s %s", rt.method, rt.path, c.name, theirs, text, none, text2)
			}
			if theirs != "404 actor/not_found" && !strings.HasPrefix(theirs, "403") {
				t.Errorf("%s %s, %s: %s", rt.method, rt.path, c.name, theirs)
			}
		}
	}
	if n := len(m.host.calls) + len(m.host.raws) + len(m.host.sent); n != 0 {
		t.Errorf("%d requests reached an actor", n)
	}
}

// TestMatrixOfSockets does the same with an upgrade.
func TestMatrixOfSockets(t *testing.T) {
	m := newMatrix(t)
	for _, rt := range routes() {
		if !rt.socket() {
			continue
		}
		t.Run(rt.path, func(t *testing.T) {
			for _, c := range m.callers {
				for _, asked := range []string{"", "other", "absent"} {
					want := m.verdict(&rt, c, asked)
					if _, want, _ = strings.Cut(want, " "); want == "" {
						want = "actor/no_handler" // the scripted host lets nobody in
					}
					want = strings.Replace(want, "/", ".", 1)
					header := slices.DeleteFunc(slices.Clone(c.header), func(h string) bool { return h == "no token" })
					ws := dial(t, "ws"+strings.TrimPrefix(m.url, "http")+m.path(&rt, asked), rivet, header...)
					got := ws.next()
					if rt.path == "/gateway/{target}/connect" {
						got = ws.next()
					}
					if got != "close 1011 "+want {
						t.Errorf("%s asks for %q: %s, want %s", c.name, asked, got, want)
					}
					ws.Close()
				}
			}
		})
	}
}

// TestRoutesAreHeldToLimits is written down a second time on purpose: what a path names decides what of a token's
// limits its route asks for.
func TestRoutesAreHeldToLimits(t *testing.T) {
	for _, rt := range routes() {
		want := "nothing"
		switch {
		case strings.Contains(rt.path, "{actor}"):
			want = "ofActor"
		case strings.Contains(rt.path, "{module}"):
			want = "ofModule"
		case strings.HasPrefix(rt.path, "/gateway/{target}/action/"):
			want = "byAction"
		case strings.HasPrefix(rt.path, "/gateway/{target}/queue/"):
			want = "byQueue"
		case rt.rawHTTP():
			want = "byRequest"
		case rt.rawSocket():
			want = "byRaw"
		case rt.socket():
			want = "byConnect"
		case rt.path == "/actors" && rt.body > 0:
			want = "inBody"
		case slices.Contains([]string{"/actors", "/actors/names", "/modules", "/namespaces/{namespace}/tokens"}, rt.path): // they list, or derive, what is within
		case len(rt.rights) > 0 && (rt.path != "/namespaces" || rt.body > 0) && rt.method+rt.path != "GET/namespaces/{namespace}":
			want = "whole"
		}
		if rt.within.name != want {
			t.Errorf("%s %s is held by %s, want %s", rt.method, rt.path, rt.within.name, want)
		}
	}
}
