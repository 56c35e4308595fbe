package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"log/slog"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

var nthAll = flag.Bool("nth.all", false, "let every write of the store fail, not only some")

// How a write fails: the store refuses it and goes on; or it stops, and the write is on disk or is not.
var failures = []struct {
	name    string
	stops   bool
	written bool
}{
	{"refused", false, false},
	{"unknown, and not written", true, false},
	{"unknown, and written", true, true},
}

// failing lets one write of a store fail, be it a delta or the end of a space.
type failing struct {
	*kvtest.Gate
	delta, end func(g *kvtest.Gate) // has the next one fail

	mu     sync.Mutex // guards the fields below
	writes int        // so far
	nth    int        // that fails; zero for none
}

// newFailing returns a store of which a write fails in one of the ways.
func newFailing(at int, stops, written bool) *failing {
	f := &failing{nth: at}
	f.delta = func(g *kvtest.Gate) { g.Refuse(1, kv.ErrReadOnly) }
	f.end = func(g *kvtest.Gate) { g.RefuseDestroy(1, kv.ErrReadOnly) }
	if stops {
		f.delta = func(g *kvtest.Gate) { g.Unknown(1, written) }
		f.end = func(g *kvtest.Gate) { g.UnknownDestroy(1, written) }
	}
	return f
}

// Commit counts, and fails if it is its turn. The lock is held to the end, or another could take the failure.
func (f *failing) Commit(l kv.Lease, d *kv.Delta, done func(error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writes++; f.writes == f.nth {
		f.delta(f.Gate)
	}
	f.Gate.Commit(l, d, done)
}

// Destroy counts with Commit.
func (f *failing) Destroy(l kv.Lease, done func(error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writes++; f.writes == f.nth {
		f.end(f.Gate)
	}
	f.Gate.Destroy(l, done)
}

// nth is a host with a folder of its own, in which one write fails.
type nth struct {
	t        *testing.T
	data     string
	key      []byte
	operator string
	store    *failing
	ended    chan error // has why the host ended
	stop     func()     // ends it, and waits
	p        *process
	ids      map[string]string
}

// deed is one request of the scenario. asked again after it was done, it may be told so with another status.
type deed struct {
	name         string
	method, path string
	body         any
	operator     bool
	once         string
	again        int
	undoes       string
	there        func(n *nth) bool // is what it asks for done?
}

func stepJSON(steps ...actorstest.Step) string {
	b, _ := json.Marshal(map[string]any{"args": [][]actorstest.Step{steps}})
	return string(b)
}

// scenario is one of each kind of write: of a namespace, a module, a key, an actor, and of all that a turn writes.
func (n *nth) scenario() []deed {
	plugin := actorstest.Guest(n.t, "examples/wasm/extism-as")
	b := abi.Target{ID: n.ids["b"]}
	mark := func(item string) [][]actorstest.Step { return [][]actorstest.Step{{actorstest.S("append", item, "x")}} }
	turn := stepJSON(actorstest.S("append", "log", "x"), actorstest.S("state_set", "done"), actorstest.S("send", b, "do", mark("sent")), actorstest.S("queue_send", b, "jobs", `"x"`),
		actorstest.S("schedule_set", abi.Schedule{Action: "do", After: 1}, mark("ran")), actorstest.S("task_timer", 1, "x"),
		actorstest.S("actor_create", abi.ActorSpec{Name: "script", Key: []string{"child"}, Get: true, Child: true}, ""))
	status := func(want int, path string) func(*nth) bool {
		return func(n *nth) bool { return n.p.request("GET", path, "", nil).status == want }
	}
	return []deed{
		{name: "namespace", method: "POST", path: "/namespaces", body: `{"name":"extra"}`, operator: true, again: 409, there: func(n *nth) bool {
			return strings.Contains(string(n.p.request("GET", "/namespaces", n.operator, nil).body), `"extra"`)
		}},
		{name: "module", method: "PUT", path: "/modules/plugin", body: plugin, there: status(200, "/modules/plugin/versions/1/wasm")},
		{name: "config", method: "PATCH", path: "/modules/plugin", body: `{"config":{"k":"v"}}`, there: func(n *nth) bool {
			return strings.Contains(string(n.p.request("GET", "/modules/plugin", "", nil).body), `"k":"v"`)
		}},
		{name: "key", method: "PUT", path: "/namespaces/default/keys/one", body: publicKey(n.t), there: func(n *nth) bool {
			return strings.Contains(string(n.p.request("GET", "/namespaces/default/keys", "", nil).body), `"one"`)
		}},
		{name: "turn", method: "POST", path: "/gateway/" + n.ids["a"] + "/action/do", body: turn, once: "turn", there: func(n *nth) bool {
			return n.marks("a", "log") == 1
		}},
		{name: "message", method: "POST", path: "/gateway/" + n.ids["b"] + "/queue/jobs", body: `{"body":"x"}`, once: "message", there: func(n *nth) bool { return true }},
		{name: "creation", method: "PUT", path: "/actors", body: `{"name":"script","key":"new","runner_name_selector":"default","crash_policy":"sleep"}`,
			there: func(n *nth) bool { return n.finds("new") }},
		{name: "end of an actor with children", method: "DELETE", path: "/actors/" + n.ids["a"], again: 404, undoes: "turn", there: func(n *nth) bool { return !n.finds("a") && !n.finds("child") }},
		{name: "end of a module", method: "DELETE", path: "/modules/plugin", again: 404, undoes: "module", there: status(404, "/modules/plugin")},
	}
}

func publicKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(map[string]string{"pem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "issuer": "i", "audience": "a", "role": "read"})
	return string(b)
}

// start opens the host.
func (n *nth) start() {
	n.t.Helper()
	node, err := startNode(nodeConfig{
		data: n.data, listen: "127.0.0.1:0", key: n.key, dev: true, log: slog.New(slog.DiscardHandler),
		wrapStore: func(s kv.Store) kv.Store {
			n.store.Gate = kvtest.NewGate(s)
			return n.store
		},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	ended, gone := make(chan error, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { defer close(gone); ended <- node.wait(ctx) }() // ends with the node, which stop ends
	n.ended, n.p = ended, reach(n.t, node.url())
	n.p.Done = gone
	n.stop = func() { cancel(); <-gone }
	n.t.Cleanup(n.stop)
}

// try sends one request. ok is false if it got no answer, or one that says so.
func (n *nth) try(d deed, again bool) (ok bool) {
	n.t.Helper()
	token := ""
	if d.operator {
		token = n.operator
	}
	req, err := n.p.NewRequest(context.Background(), d.method, d.path, token, d.body)
	if err != nil {
		n.t.Fatal(err)
	}
	if d.once != "" {
		req.Header.Set("Idempotency-Key", d.once)
	}
	a, _ := send(req)
	if a.status == 0 {
		return false // there is no head, or it would be an answer
	}
	switch {
	case a.status/100 == 2, again && a.status == d.again:
		return true
	case a.status == 503 && (a.code() == "actor/outcome_unknown" || a.code() == "guard/service_unavailable"), a.status == 507 && a.code() == "core/storage_full", a.status == 409 && a.code() == "actor/restarting":
		return false
	}
	n.t.Errorf("%s: %s", d.name, a)
	return false
}

// finds reports whether there is an actor of a key.
func (n *nth) finds(key string) bool {
	return strings.Contains(string(n.p.request("GET", "/actors?name=script&key="+key, "", nil).body), `"actor_id"`)
}

// run goes through the scenario from one deed on, until the store stops or to the end. It returns the first deed that
// was not answered, which is asked for again if again is set.
func (n *nth) run(deeds []deed, from int, again bool) (unanswered int) {
	n.t.Helper()
	for i, d := range deeds[from:] {
		for !n.try(d, again && i == 0) {
			if n.over(20 * time.Millisecond) { // else it was a refusal
				return from + i
			}
		}
		if d.name == lastOfTurn && !n.follows() {
			return from + i + 1
		}
	}
	return len(deeds)
}

// lastOfTurn is the deed after which all that turns begin is waited for.
const lastOfTurn = "message"

// over reports whether the host has ended, which it must not do as if all were well, or does so within a time.
func (n *nth) over(within time.Duration) bool {
	select {
	case err := <-n.ended:
		if err == nil {
			n.t.Error("the host ended as if all were well")
		}
		return true
	case <-time.After(within):
		return false
	}
}

// follows waits until all that the turn and the message begin is done, once. It reports false if the host ends
// before that.
func (n *nth) follows() bool {
	n.t.Helper()
	want := [4]int{1, 1, 1, 2}
	var got [4]int
	for deadline := time.Now().Add(time.Minute); ; {
		for i, at := range [4][2]string{{"a", "ran"}, {"a", "tasked"}, {"b", "sent"}, {"b", "queued"}} {
			got[i] = n.marks(at[0], at[1])
		}
		if got == want {
			return true
		}
		if n.over(5 * time.Millisecond) {
			return false
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("a schedule, a task, a send and two messages were done %v times", got)
		}
	}
}

// marks counts the words of an item; it is -1 if the host, which may be ending, does not say.
func (n *nth) marks(actor, item string) int {
	a, err := n.p.try("POST", "/gateway/"+n.ids[actor]+"/action/do", "", stepJSON(actorstest.S("kv_get", item)))
	var r struct{ Output []actorstest.Outcome }
	if err != nil || a.status != 200 || json.Unmarshal(a.body, &r) != nil || len(r.Output) != 1 {
		return -1
	}
	return len(strings.Fields(r.Output[0].B))
}

// nthTemplate is a data folder with what the scenario begins with.
func nthTemplate(t *testing.T) *nth {
	t.Helper()
	dir := t.TempDir()
	n := &nth{t: t, data: filepath.Join(dir, "data"), store: &failing{}, ids: map[string]string{}}
	keyFile := filepath.Join(dir, "key")
	host(t, "key", keyFile)
	var err error
	if n.key, err = tenants.LoadKey(keyFile); err != nil {
		t.Fatal(err)
	}
	n.operator = host(t, "token", "--key-file", keyFile, "--role", "operator")
	if err := actorstest.ShareCompiled(n.data); err != nil {
		t.Fatal(err)
	}
	n.start()
	defer n.stop()
	if a := n.p.request("PUT", "/modules/script", "", actorstest.Guest(t, actorstest.ScriptGuest)); a.status != 201 {
		t.Fatal(a)
	}
	adds := actorstest.Script(actorstest.S("append", "$", "x"))
	for _, key := range []string{"a", "b"} {
		n.ids[key] = n.p.actor("", "script", key)
		a := n.p.request("POST", "/gateway/"+n.ids[key]+"/action/do", "", stepJSON(
			actorstest.S("kv_put", fmt.Sprintf("on/%d", abi.KindQueue), strings.Replace(adds, "$", "queued", 1)),
			actorstest.S("kv_put", fmt.Sprintf("on/%d", abi.KindTask), strings.Replace(adds, "$", "tasked", 1))))
		if a.status != 200 {
			t.Fatal(a)
		}
	}
	return n
}

// copy returns a host that does not run, in a folder of its own.
func (n *nth) copy(t *testing.T) *nth {
	t.Helper()
	c := *n
	c.t, c.data, c.store = t, filepath.Join(t.TempDir(), "data"), &failing{}
	if err := actorstest.ShareCompiled(c.data); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{storeFolder, moduleFolder, "sandbox/images"} {
		if err := os.CopyFS(filepath.Join(c.data, name), os.DirFS(filepath.Join(n.data, name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := claimFormat(c.data); err != nil {
		t.Fatal(err)
	}
	return &c
}

// Whichever write of the store fails, in whatever way: nothing that was answered is lost, a host that does not know
// ends with an error, what it keeps agrees, and asked again the next one does all of it once.
func TestNthWriteFails(t *testing.T) {
	ready := nthTemplate(t)
	whole := ready.copy(t)
	whole.start()
	if deeds := whole.scenario(); whole.run(deeds, 0, false) != len(deeds) {
		t.Fatal("undisturbed, it does not come to its end")
	}
	whole.stop()
	writes := whole.store.writes
	rnd := rand.New(rand.NewSource(time.Now().UnixNano()))
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			list := rnd.Perm(writes)
			if !*nthAll {
				list = list[:shortWrites]
			}
			for _, i := range list {
				t.Run(fmt.Sprint("write ", i+1), func(t *testing.T) { ready.copy(t).fail(i+1, f.stops, f.written) })
			}
		})
	}
	t.Logf("the scenario has %d writes", writes)
}

// shortWrites is how many writes fail, in each way, in the suite.
const shortWrites = 2

// fail goes through the scenario with one write that fails.
func (n *nth) fail(at int, stops, written bool) {
	n.store = newFailing(at, stops, written)
	n.start()
	deeds := n.scenario()
	from := n.run(deeds, 0, false)
	n.stop()
	if exit, codes := verified(n.t, n.data); exit != 0 {
		n.t.Fatalf("host verify: exit code %d: %q", exit, codes)
	}
	n.store = &failing{}
	n.start()
	n.kept(deeds, from)
	if from > 0 && deeds[from-1].name == lastOfTurn && !n.follows() {
		n.t.Fatal("the host ended")
	}
	if n.run(deeds, from, true) != len(deeds) {
		n.t.Fatal("asked again, it does not come to its end")
	}
	n.kept(deeds, len(deeds))
	n.stop()
}

// kept fails if one of the deeds before an unanswered one is not done, unless a later one undoes it.
func (n *nth) kept(deeds []deed, unanswered int) {
	n.t.Helper()
	for i, d := range deeds[:unanswered] {
		undone := slices.ContainsFunc(deeds[i+1:min(unanswered+1, len(deeds))], func(later deed) bool { return later.undoes == d.name || later.undoes == "module" && d.name == "config" })
		if !undone && !d.there(n) {
			n.t.Errorf("%s was answered and is not there", d.name)
		}
	}
}
