package api

import (
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

func TestListConnections(t *testing.T) {
	f := newFixture(t)
	path := "/actors/" + f.actor("counter", "a").String() + "/connections"
	f.do("GET", path, "").wantBody(t, 200, `{"connections":[],"pagination":{"cursor":null}}`)
	since := time.UnixMilli(1_795_417_388_296)
	f.host.conns = []actors.ConnInfo{
		{Number: 3, ID: "u1", Kind: "events", Subject: "ann", Params: 7, State: 10, Events: []string{"a", "b"}, Since: since},
		{Number: 5, ID: "u2", Kind: "socket", Since: since},
	}
	const one = `{"id":"u1","kind":"events","subject":"ann","params_bytes":7,"state_bytes":10,"subscriptions":["a","b"],"connected_ts":1795417388296}`
	const two = `{"id":"u2","kind":"socket","subject":"","params_bytes":0,"state_bytes":0,"subscriptions":[],"connected_ts":1795417388296}`
	f.do("GET", path, "", f.as(tenants.RoleRead)).wantBody(t, 200, `{"connections":[`+one+`,`+two+`],"pagination":{"cursor":null}}`)
	f.do("GET", path+"?limit=1", "").wantBody(t, 200, `{"connections":[`+one+`],"pagination":{"cursor":"3"}}`)
	f.do("GET", path+"?limit=1&cursor=3", "").wantBody(t, 200, `{"connections":[`+two+`],"pagination":{"cursor":null}}`)
	f.do("GET", path+"?cursor=x", "").wantError(t, 400, "guard", "invalid_request")
}
