package api

import (
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// The body of a queue send, as Rivet's client writes it and as others may.
func TestQueueBody(t *testing.T) {
	f := newFixture(t)
	id := f.actor("worker", "a").String()
	tests := []struct {
		name, body string
		status     int
		want       actors.Message
	}{
		{"plain", `{"body":{"a":1}}`, 200, actors.Message{Body: []byte(`{"a":1}`)}},
		{"as Rivet's client", `{"body":[1, 2],"name":"jobs","wait":true,"timeout":1500}`, 200, actors.Message{Body: []byte(`[1, 2]`), Wait: true, Timeout: 1500 * time.Millisecond}},
		{"nulls", `{"body":null,"name":null,"wait":null,"timeout":null}`, 200, actors.Message{Body: []byte(`null`)}},
		{"no time at all", `{"body":0,"wait":true,"timeout":0}`, 200, actors.Message{Body: []byte(`0`), Wait: true, Timeout: 1}},
		{"for ever", `{"body":0,"wait":true,"timeout":9223372036854775807}`, 200, actors.Message{Body: []byte(`0`), Wait: true, Timeout: (1 << 40) * time.Millisecond}},
		{"another name counts for nothing", `{"body":0,"name":"other"}`, 200, actors.Message{Body: []byte(`0`)}},
		{"unknown member", `{"body":0,"extra":1}`, 200, actors.Message{Body: []byte(`0`)}},
		{"no body", `{}`, 400, actors.Message{}},
		{"nothing", ``, 400, actors.Message{}},
		{"list", `[1]`, 400, actors.Message{}},
		{"negative", `{"body":0,"timeout":-1}`, 400, actors.Message{}},
		{"no number", `{"body":0,"timeout":"1"}`, 400, actors.Message{}},
		{"no flag", `{"body":0,"wait":"yes"}`, 400, actors.Message{}},
		{"too deep", `{"body":` + nested(wire.MaxDepth) + `}`, 400, actors.Message{}},
		{"too long", `{"body":"` + strings.Repeat("x", queueBody) + `"}`, 413, actors.Message{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.host.sent = nil
			a := f.do("POST", "/gateway/"+id+"/queue/jobs", tt.body)
			if a.status != tt.status {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			if tt.status != 200 {
				if len(f.host.sent) != 0 {
					t.Error("it was sent")
				}
				return
			}
			got := f.host.sent[0]
			if string(got.Body) != string(tt.want.Body) || got.Wait != tt.want.Wait || got.Timeout != tt.want.Timeout || got.Queue != "jobs" || got.Caller != "ann" {
				t.Errorf("sent %+v", got)
			}
		})
	}
	f.do("POST", "/gateway/"+id+"/queue/jobs", `{"body":1}`, "X-Rivet-Encoding: cbor").wantError(t, 400, "guard", "invalid_request")
	f.do("POST", "/gateway/worker/queue/jobs?rvt-method=get&rvt-key=nobody", `{"body":1}`).wantError(t, 404, "actor", "not_found")
}

func TestQueueAnswers(t *testing.T) {
	f := newFixture(t)
	id := f.actor("worker", "a").String()
	send := func(c actors.Completion, err error) answer {
		f.host.send = func(actors.Message) (actors.Completion, error) { return c, err }
		return f.do("POST", "/gateway/"+id+"/queue/jobs", `{"body":1}`)
	}
	send(actors.Completion{}, nil).wantBody(t, 200, `{"status":"completed"}`)
	send(actors.Completion{Response: []byte(`{"a":[1]}`)}, nil).wantBody(t, 200, `{"status":"completed","response":{"a":[1]}}`)
	send(actors.Completion{TimedOut: true}, nil).wantBody(t, 200, `{"status":"timedOut"}`)
	send(actors.Completion{}, &abi.Error{Code: abi.CodeQueueNotFound}).wantError(t, 404, "queue", "not_found")
	send(actors.Completion{}, &abi.Error{Code: abi.CodeQueueMessageTooLarge}).wantError(t, 413, "queue", "message_too_large")
	full := send(actors.Completion{}, &abi.Error{Code: abi.CodeQueueFull})
	full.wantError(t, 429, "queue", "full")
	if full.header.Get("Retry-After") != "1" {
		t.Errorf("a full queue without Retry-After")
	}
	// Rivet's client tries again only if it sees just this.
	over := send(actors.Completion{}, &abi.Error{Code: abi.CodeActorOverloaded}).wantError(t, 429, "actor", "overloaded")
	if string(over.Metadata) != `{"channel":"dispatch_inbox","operation":"dispatch_queue_send"}` {
		t.Errorf("metadata %s", over.Metadata)
	}
}

func TestInspectWhatIsDue(t *testing.T) {
	f := newFixture(t)
	path := "/actors/" + f.actor("worker", "a").String()
	f.do("GET", path+"/schedules?limit=2", "").wantBody(t, 200,
		`{"pagination":{"cursor":"Yg"},"schedules":[{"id":"a","action":"x","next":7},{"id":"b","action":"x","next":7}]}`)
	f.do("GET", path+"/schedules?cursor=Yg", "").wantBody(t, 200, `{"pagination":{"cursor":null},"schedules":[{"id":"c","action":"x","next":7}]}`)
	f.do("GET", path+"/queue?limit=1&cursor=YQ", "").wantBody(t, 200,
		`{"messages":[{"id":"b","queue":"jobs","body":1,"sent":5,"due":6,"attempts":0}],"pagination":{"cursor":"Yg"}}`)
	f.do("GET", path+"/dead?cursor=Yg", "").wantBody(t, 200,
		`{"dead":[{"id":"c","kind":"queue","name":"jobs","body":1,"error":"e","attempts":5,"at":8}],"pagination":{"cursor":null}}`)
	for _, list := range []string{"/schedules", "/queue", "/dead"} {
		f.do("GET", path+list+"?cursor=%21", "").wantError(t, 400, "guard", "invalid_request")
		f.do("GET", path+list+"?limit=0", "").wantError(t, 400, "guard", "invalid_request")
	}
	f.do("POST", path+"/dead/a/retry", "").wantBody(t, 200, "{}")
	f.do("POST", path+"/dead/z/retry", "").wantError(t, 404, "api", "not_found")
	f.do("POST", path+"/dead/a/retry", "", f.as(tenants.RoleDeploy)).wantBody(t, 200, "{}")
	f.do("POST", path+"/dead/a/retry", "", f.as(tenants.RoleInvoke)).wantError(t, 403, "auth", "forbidden")
}
