package attack

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/internal/hosttest"
)

var long = flag.Bool("attack.long", false, "run the whole corpus and the measurements, and write docs/attack.md; see make attack")

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m.Run)) }

// host is a real host in a process of its own, with two namespaces.
type host struct {
	*hosttest.Host
	t                *testing.T
	attacker, victim string // tokens of admins
	operator         string // a token
	client           *http.Client
}

// startHost runs a host until the test ends.
func startHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	h.serve()
	return h
}

// newHost prepares a host that does not run yet.
func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{Host: hosttest.New(t, t.TempDir()), t: t}
	h.client = &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(h.Kill)
	return h
}

// serve starts the host and makes its namespaces.
func (h *host) serve() {
	h.t.Helper()
	h.Start()
	h.operator = h.Token("operator", "")
	for _, ns := range []string{"attacker", "victim"} {
		if a := h.must("POST", "/namespaces", h.operator, `{"name":"`+ns+`"}`); a.status/100 != 2 {
			h.t.Fatalf("make namespace %s: %s", ns, a)
		}
	}
	h.attacker, h.victim = h.Token("admin", "attacker"), h.Token("admin", "victim")
}

// faults returns what the host logged as its own faults.
func (h *host) faults() string {
	var b strings.Builder
	for line := range strings.Lines(h.Printed()) {
		if strings.Contains(line, "level=ERROR") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
}

// busy reports whether the host says that it has no time for this now, and when to come again. A busy
// machine is no verdict on a module.
func (a answer) busy() bool {
	return a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "" && a.verdict() == "503 guard/service_busy"
}

// verdict is the status, with group and code of an error.
func (a answer) verdict() string {
	var e struct{ Group, Code string }
	if a.status < 400 || json.Unmarshal(a.body, &e) != nil {
		return fmt.Sprint(a.status)
	}
	return fmt.Sprintf("%d %s/%s", a.status, e.Group, e.Code)
}

func (a answer) String() string {
	return fmt.Sprintf("%d %.600s (%v)", a.status, a.body, a.took.Round(time.Millisecond))
}

// try sends a request; a body that is a string is JSON, bytes are a module.
func (h *host) try(ctx context.Context, method, path, token string, body any) (answer, error) {
	req, err := h.NewRequest(ctx, method, path, token, body)
	if err != nil {
		return answer{}, err
	}
	return h.send(req)
}

func (h *host) send(req *http.Request) (answer, error) {
	began := time.Now()
	resp, b, err := hosttest.Send(h.client, req)
	if resp == nil {
		return answer{}, err
	}
	return answer{resp.StatusCode, resp.Header, b, time.Since(began)}, err
}

// patience bounds how long a request is repeated because the host is busy.
const patience = 3 * time.Minute

// must is try for a request that has to be answered, by a host that may be busy for a while. It may be
// called on any goroutine.
func (h *host) must(method, path, token string, body any) answer {
	h.t.Helper()
	return h.within(patience, method, path, token, body)
}

// within is must with another patience.
func (h *host) within(d time.Duration, method, path, token string, body any) answer {
	h.t.Helper()
	for end := time.Now().Add(d); ; {
		a, err := h.try(context.Background(), method, path, token, body)
		if err != nil {
			h.t.Errorf("%s %s: %v", method, path, err)
		}
		if !a.busy() || time.Now().After(end) {
			return a
		}
		select {
		case <-time.After(time.Second):
		case <-h.Done:
			return a
		}
	}
}

func (h *host) upload(token, module string, wasm []byte) answer {
	h.t.Helper()
	return h.must("PUT", "/modules/"+module, token, wasm)
}

// actor returns the id of an actor, made if there is none, and the answer.
func (h *host) actor(token, name, key, input string) (string, answer) {
	h.t.Helper()
	body := fmt.Sprintf(`{"name":%q,"key":%q,"runner_name_selector":"default","crash_policy":"sleep"`, name, key)
	if input != "" {
		body += `,"input_json":` + input
	}
	body += "}"
	a := h.must("PUT", "/actors", token, body)
	var r struct {
		Actor struct {
			ID string `json:"actor_id"`
		}
	}
	json.Unmarshal(a.body, &r) // an error has no id
	return r.Actor.ID, a
}

func (h *host) call(token, id, action string) answer {
	h.t.Helper()
	return h.must("POST", "/gateway/"+id+"/action/"+action, token, `{"args":[]}`)
}
