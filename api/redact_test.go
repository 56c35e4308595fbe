package api

import (
	"net/url"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/tenants"
)

// Wherever a client puts a token, right or wrong, no log line has it.
func TestNoTokenIsLogged(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	good := f.token(tenants.RoleAdmin)
	opaque := "opaque-secret-0123456789" // not shaped like a JWT
	for _, token := range []string{good, opaque} {
		double := url.QueryEscape(url.QueryEscape(strings.ReplaceAll(token, ".", "%2E")))
		for _, path := range []string{
			"/gateway/" + id + "@" + token + "/action/echo",
			"/api/rivet/gateway/" + id + "@" + token + "/action/echo",
			"/gateway/" + id + "%40" + token + "/action/echo",
			"/gateway/" + id + "@" + strings.ReplaceAll(token, ".", "%2E") + "/action/echo",
			"/gateway/" + id + "@" + token + "//action/echo",
			"/gateway/" + id + "@" + token,
			"/gateway/counter/action/echo?rvt-method=get&rvt-key=a&rvt-token=" + token,
			"/gateway/counter/action/echo?rvt-method=get&%72vt-token=" + token,
			"/gateway/counter/action/echo?rvt-method=get&rvt-token=" + double,
			"/gateway/counter/action/echo?RVT-TOKEN=" + token,
			"/actors?token=" + token,
			"/actors?name=a&access_token=" + token,
		} {
			f.do("POST", path, `{"args":[]}`, "X-Rivet-Token: "+token, "Authorization: Bearer "+token)
		}
		f.do("GET", "/gateway/a/@"+token, "")
	}
	f.do("GET", "/actors/"+good, "")
	f.do("GET", "/"+good, "")
	f.do("GET", "/actors?name="+good, "", rayHeader+": "+good)
	log := f.log.String()
	parts := strings.Split(good, ".")
	for _, secret := range []string{good, parts[0] + ".", parts[1], parts[2], opaque} {
		if i := strings.Index(log, secret); i >= 0 {
			t.Errorf("the log has a token: …%s…", log[max(0, i-200):min(len(log), i+200)])
		}
	}
	if strings.Count(log, "msg=request ") < 20 || !strings.Contains(log, "/gateway/"+id+"@[cut]/action/echo") {
		t.Errorf("the access log lacks requests:\n%s", log)
	}
}

func TestRedactURL(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"/actors", "/actors"},
		{"/actors?name=counter&key=private", "/actors?name=counter&key=[cut]"},
		{"/gateway/x/action/a?rvt-method=get&rvt-key=u&flag&q=1", "/gateway/x/action/a?rvt-method=get&rvt-key=[cut]&flag&q=[cut]"},
		{"/gateway/x@t/y@z", "/gateway/x@[cut]/y@[cut]"},
		{"/modules/eyJhbGciOi.eyJz%2Ec2ln", "/modules/[cut]"},
		{"/actors?" + strings.Repeat("a", 2000), "/actors?" + strings.Repeat("a", 1016) + "…"},
	} {
		u, err := url.Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := redactURL(u); got != tt.want {
			t.Errorf("redactURL(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
}
