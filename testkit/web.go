package testkit

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/api"
	"github.com/vivarium-run/vivarium/tenants"
)

// web is the host's network edge, for real clients.
type web struct {
	server  *httptest.Server
	api     *api.Server
	keyring *tenants.Keyring
}

// URL returns where the host serves its API on loopback, begun with the first call of it. Requests without a
// token are an admin's, as with host dev. A restart ends it.
func (k *Kit) URL() string {
	k.tb.Helper()
	return k.edge().server.URL
}

func (k *Kit) edge() *web {
	k.tb.Helper()
	if k.web != nil {
		return k.web
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails; see crypto/rand
	keyring, err := tenants.NewKeyring(key)
	k.must(err)
	s, err := api.New(api.Config{Actors: k.stack.Host, Registry: k.stack.Registry, Keyring: keyring, Dev: true, Version: "testkit"})
	k.must(err)
	w := &web{httptest.NewServer(s.Handler()), s, keyring}
	k.web = w
	k.tb.Cleanup(w.stop)
	return w
}

func (w *web) stop() {
	if w != nil {
		w.server.CloseClientConnections()
		w.server.Close()
	}
}

// URL returns where the actor's own HTTP handler is served, without a slash at the end: see [Kit.URL].
func (a *Actor) URL() string { return a.k.URL() + "/gateway/" + a.ID() + "/request" }

// Do sends an HTTP request to the actor's own handler, through the host's network edge and with the identity of
// the actor's client. The URL of r is a path and a query. The caller closes the answer's body.
func (a *Actor) Do(r *http.Request) (*http.Response, error) {
	a.k.tb.Helper()
	edge := a.k.edge()
	r = r.Clone(r.Context())
	base, err := url.Parse(a.URL() + "/" + strings.TrimPrefix(r.URL.EscapedPath(), "/"))
	if err != nil {
		return nil, err
	}
	base.RawQuery = r.URL.RawQuery
	r.URL, r.Host, r.RequestURI = base, "", ""
	if a.subject != "" {
		token, err := edge.keyring.Sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleInvoke, Subject: a.subject, TTL: time.Hour})
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return edge.server.Client().Do(r)
}
