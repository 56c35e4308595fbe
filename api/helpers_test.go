package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// created is the time of creation of every scripted actor.
var created = time.UnixMilli(1_795_417_388_296).UTC()

// scriptedHost stands in for package actors, whose own tests and the end-to-end tests have the
// real one. It keeps addresses and answers calls as a test says.
type scriptedHost struct {
	reg     *tenants.Registry // for the removal of namespaces
	mu      sync.Mutex
	actors  map[tenants.Address]actors.Info
	creates []actors.CreateOptions
	calls   []actors.Request
	raws    []actors.RawRequest

	raw      func(context.Context, actors.RawRequest) (*actors.RawResponse, error)
	connects []actors.ConnectRequest
	conns    []actors.ConnInfo

	call     func(context.Context, tenants.ActorID, actors.Request) (actors.Reply, error)
	upload   func(context.Context, tenants.ID, io.Reader, actors.UploadOptions) (tenants.Version, actors.Report, bool, error)
	remove   func(ctx context.Context, ns tenants.ID, module string) error
	ready    error
	writable error
	busy     error // of Admit
	sent     []actors.Message
	send     func(actors.Message) (actors.Completion, error)
	codec    abi.Codec
	state    []byte
	items    []abi.Item
	lines    []actors.LogLine
	follow   chan actors.LogLine
	afters   []uint64 // of FollowLogs

	keys    string   // what each URL of keys answers
	fetched []string // URLs
}

func (h *scriptedHost) Ready() error { return h.ready }

func (h *scriptedHost) AdmitTo(tenants.ActorID) error { return h.busy }
func (h *scriptedHost) AdmitAt(tenants.Address) error { return h.busy }

func (h *scriptedHost) Writable() error { return h.writable }

func (h *scriptedHost) CrashLoop(tenants.ActorID) time.Time { return time.Time{} }
func (h *scriptedHost) ResetCrashes(tenants.ActorID)        {}

// FetchKeys stands in for the way out: it answers what a test says.
func (h *scriptedHost) FetchKeys(_ context.Context, _ tenants.ID, url string, _ int) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fetched = append(h.fetched, url)
	if h.keys == "" {
		return nil, errors.New("nobody answers")
	}
	return []byte(h.keys), nil
}

func (h *scriptedHost) put(a tenants.Address) actors.Info {
	if h.actors == nil {
		h.actors = map[tenants.Address]actors.Info{}
	}
	info := actors.Info{ID: tenants.NewActorID(a.Namespace), Address: a, Created: created, Module: "m"}
	h.actors[a] = info
	return info
}

func (h *scriptedHost) Create(_ context.Context, a tenants.Address, o actors.CreateOptions) (actors.Info, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old, ok := h.actors[a]; ok {
		return old, abi.Errorf(abi.CodeActorExists, "").With(object{"existing_actor_id": old.ID.String()})
	}
	h.creates = append(h.creates, o)
	return h.put(a), nil
}

func (h *scriptedHost) GetOrCreate(ctx context.Context, a tenants.Address, o actors.CreateOptions) (actors.Info, bool, error) {
	info, err := h.Create(ctx, a, o)
	return info, err == nil, nil
}

func (h *scriptedHost) Find(_ context.Context, a tenants.Address) (actors.Info, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if info, ok := h.actors[a]; ok {
		return info, nil
	}
	return actors.Info{}, abi.Errorf(abi.CodeActorNotFound, "")
}

func (h *scriptedHost) Resolve(ctx context.Context, a tenants.Address) (tenants.ActorID, error) {
	info, err := h.Find(ctx, a)
	return info.ID, err
}

func (h *scriptedHost) Get(_ context.Context, id tenants.ActorID) (actors.Info, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, info := range h.actors {
		if info.ID == id {
			return info, nil
		}
	}
	return actors.Info{}, abi.Errorf(abi.CodeActorNotFound, "")
}

func (h *scriptedHost) List(_ context.Context, ns tenants.ID, name, cursor string, limit int) (list []actors.Info, next string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for a, info := range h.actors {
		if a.Namespace == ns && (name == "" || a.Name == name) && len(list) < limit && cursor == "" {
			list = append(list, info)
		}
	}
	if len(list) == limit {
		next = "more"
	}
	return list, next, nil
}

func (h *scriptedHost) ActorNames(context.Context, tenants.ID) ([]string, error) {
	return []string{"counter", "room"}, nil
}

func (h *scriptedHost) Destroy(ctx context.Context, id tenants.ActorID) error {
	info, err := h.Get(ctx, id)
	delete(h.actors, info.Address)
	return err
}

func (h *scriptedHost) Call(ctx context.Context, id tenants.ActorID, r actors.Request) (actors.Reply, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return actors.Reply{}, err
	}
	h.mu.Lock()
	h.calls = append(h.calls, r)
	h.mu.Unlock()
	if h.call != nil {
		return h.call(ctx, id, r)
	}
	if r.IsRaw {
		return actors.Reply{Kind: actors.ReplyRaw, Raw: r.Raw}, nil
	}
	return actors.Reply{Output: r.Args}, nil
}

func (h *scriptedHost) CallOrCreate(ctx context.Context, a tenants.Address, o actors.CreateOptions, r actors.Request) (tenants.ActorID, actors.Reply, error) {
	info, _, err := h.GetOrCreate(ctx, a, o)
	if err != nil {
		return tenants.ActorID{}, actors.Reply{}, err
	}
	reply, err := h.Call(ctx, info.ID, r)
	return info.ID, reply, err
}

func (h *scriptedHost) Request(ctx context.Context, id tenants.ActorID, r actors.RawRequest) (*actors.RawResponse, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.raws = append(h.raws, r)
	h.mu.Unlock()
	if h.raw != nil {
		return h.raw(ctx, r)
	}
	return nil, &abi.Error{Code: abi.CodeNoHandler}
}

func (h *scriptedHost) Connect(ctx context.Context, id tenants.ActorID, r actors.ConnectRequest, _ actors.Sink) (*actors.Conn, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connects = append(h.connects, r)
	return nil, abi.Errorf(abi.CodeNoHandler, "the scripted host lets nobody in")
}

func (h *scriptedHost) Connections(ctx context.Context, id tenants.ActorID) ([]actors.ConnInfo, error) {
	_, err := h.Get(ctx, id)
	return h.conns, err
}

func (h *scriptedHost) Enqueue(ctx context.Context, id tenants.ActorID, m actors.Message) (actors.Completion, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return actors.Completion{}, err
	}
	h.mu.Lock()
	h.sent = append(h.sent, m)
	h.mu.Unlock()
	if h.send != nil {
		return h.send(m)
	}
	return actors.Completion{}, nil
}

// Three things of each kind, whose ids are a, b and c.
var scriptedIDs = []string{"a", "b", "c"}

// scriptedPage returns those after an id, at most limit.
func scriptedPage(after string, limit int) (ids []string, more bool) {
	for _, id := range scriptedIDs {
		if id > after {
			if len(ids) == limit {
				return ids, true
			}
			ids = append(ids, id)
		}
	}
	return ids, false
}

func (h *scriptedHost) ListSchedules(ctx context.Context, id tenants.ActorID, after string, limit int) (list []abi.Schedule, more bool, err error) {
	_, err = h.Get(ctx, id)
	ids, more := scriptedPage(after, limit)
	for _, id := range ids {
		list = append(list, abi.Schedule{ID: id, Action: "x", Next: 7})
	}
	return list, more, err
}

func (h *scriptedHost) ListQueue(ctx context.Context, id tenants.ActorID, after []byte, limit int) (list []actors.Queued, next []byte, err error) {
	_, err = h.Get(ctx, id)
	ids, more := scriptedPage(string(after), limit)
	for _, id := range ids {
		list = append(list, actors.Queued{ID: id, Queue: "jobs", Body: json.RawMessage("1"), Sent: 5, Due: 6})
	}
	if more {
		next = []byte(ids[len(ids)-1])
	}
	return list, next, err
}

func (h *scriptedHost) ListDead(ctx context.Context, id tenants.ActorID, after string, limit int) (list []abi.DeadLetter, more bool, err error) {
	_, err = h.Get(ctx, id)
	ids, more := scriptedPage(after, limit)
	for _, id := range ids {
		list = append(list, abi.DeadLetter{ID: id, Kind: "queue", Name: "jobs", Body: json.RawMessage("1"), Error: "e", Attempts: 5, At: 8})
	}
	return list, more, err
}

func (h *scriptedHost) RetryDead(ctx context.Context, id tenants.ActorID, letter string) error {
	if _, err := h.Get(ctx, id); err != nil {
		return err
	}
	if letter != "a" {
		return abi.Errorf(abi.CodeNotFound, "no such letter")
	}
	return nil
}

func (h *scriptedHost) State(ctx context.Context, id tenants.ActorID) (abi.Codec, []byte, bool, error) {
	_, err := h.Get(ctx, id)
	return h.codec, h.state, h.state != nil, err
}

func (h *scriptedHost) KVList(ctx context.Context, id tenants.ActorID, prefix, after []byte, limit int) (items []abi.Item, more bool, err error) {
	for _, it := range h.items {
		if bytes.HasPrefix(it.Key, prefix) && bytes.Compare(it.Key, after) > 0 {
			if len(items) == limit {
				return items, true, nil
			}
			items = append(items, it)
		}
	}
	_, err = h.Get(ctx, id)
	return items, false, err
}

func (h *scriptedHost) KVGet(ctx context.Context, id tenants.ActorID, key []byte) ([]byte, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return nil, err
	}
	for _, it := range h.items {
		if bytes.Equal(it.Key, key) {
			return it.Value, nil
		}
	}
	return nil, abi.Errorf(abi.CodeNotFound, "")
}

func (h *scriptedHost) Logs(ctx context.Context, id tenants.ActorID, after uint64) (list []actors.LogLine, err error) {
	for _, l := range h.lines {
		if l.Seq > after {
			list = append(list, l)
		}
	}
	_, err = h.Get(ctx, id)
	return list, err
}

func (h *scriptedHost) FollowLogs(ctx context.Context, id tenants.ActorID, after uint64) (<-chan actors.LogLine, error) {
	h.afters = append(h.afters, after)
	_, err := h.Get(ctx, id)
	return h.follow, err
}

func (h *scriptedHost) FollowEvents(ctx context.Context, id tenants.ActorID) (<-chan actors.Event, error) {
	_, err := h.Get(ctx, id)
	return nil, err
}

func (h *scriptedHost) Upload(ctx context.Context, ns tenants.ID, r io.Reader, o actors.UploadOptions) (tenants.Version, actors.Report, bool, error) {
	return h.upload(ctx, ns, r, o)
}

func (h *scriptedHost) DeleteModule(ctx context.Context, ns tenants.ID, module string) error {
	return h.remove(ctx, ns, module)
}

// DeleteNamespace marks a namespace and removes nothing.
func (h *scriptedHost) DeleteNamespace(ctx context.Context, ns tenants.ID) (actors.Removal, error) {
	l, err := h.reg.DeleteNamespace(ctx, ns)
	return actors.Removal{Leaving: l, Actors: 3, Rows: 5}, err
}

func (h *scriptedHost) Removal(_ context.Context, ns tenants.ID) (actors.Removal, error) {
	l, ok := h.reg.Leaves(ns)
	if !ok {
		return actors.Removal{}, tenants.ErrForeign
	}
	return actors.Removal{Leaving: l, Actors: 3, Rows: 5}, nil
}

// fixture is a server with a real registry and keyring and a scripted host, on loopback.
type fixture struct {
	t    testing.TB
	host *scriptedHost
	reg  *tenants.Registry
	keys *tenants.Keyring
	srv  *Server
	url  string
	log  *kvtest.Log
	dir  string // of the module files
}

// newFixture starts one. The namespaces default and other exist. change may change the config.
func newFixture(t testing.TB, change ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, host: &scriptedHost{}, log: &kvtest.Log{}, dir: t.TempDir()}
	f.reg, f.keys = newRegistry(t, f.dir), newKeyring(t)
	f.host.reg = f.reg
	f.srv = f.newServer(change...)
	ts := httptest.NewUnstartedServer(f.srv.Handler())
	ts.Config = f.srv.http
	ts.Start()
	t.Cleanup(func() {
		f.srv.Shutdown(context.Background())
		ts.Close()
	})
	f.url = ts.URL
	return f
}

func (f *fixture) newServer(change ...func(*Config)) *Server {
	f.t.Helper()
	cfg := Config{
		Registry: f.reg,
		Keyring:  f.keys,
		Version:  "1.2.3",

		RejectDelay:  time.Millisecond,
		GoAwayJitter: time.Millisecond,
		Logger:       slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := newServer(cfg, f.host)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func newRegistry(t testing.TB, dir string) *tenants.Registry {
	t.Helper()
	store, err := badgerkv.Open(badgerkv.Config{Dir: t.TempDir(), MemTableSize: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	reg, err := tenants.OpenRegistry(context.Background(), store, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	if _, err := reg.CreateNamespace(context.Background(), "other", "The other"); err != nil {
		t.Fatal(err)
	}
	return reg
}

func newKeyring(t testing.TB) *tenants.Keyring {
	t.Helper()
	keys, err := tenants.NewKeyring(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// token signs a token of default, or of another namespace.
func (f *fixture) token(role tenants.Role, ns ...tenants.ID) string {
	f.t.Helper()
	c := tenants.Claims{Namespace: tenants.Default, Role: role, Subject: "ann", TTL: time.Hour}
	if len(ns) > 0 {
		c.Namespace = ns[0]
	}
	s, err := f.keys.Sign(c)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request. header is "Name: value" lines; a token of role admin is added unless auth is
// among them, or "no token" is.
func (f *fixture) do(method, path, body string, header ...string) answer {
	f.t.Helper()
	return f.send(f.request(method, path, strings.NewReader(body), header...))
}

func (f *fixture) request(method, path string, body io.Reader, header ...string) *http.Request {
	f.t.Helper()
	r, err := http.NewRequest(method, f.url+path, body)
	if err != nil {
		f.t.Fatal(err)
	}
	auth := true
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		switch name = http.CanonicalHeaderKey(name); name {
		case "No Token", "no token":
			auth = false
		case "Host":
			r.Host = value
		default:
			r.Header.Add(name, value)
			auth = auth && name != "Authorization" && name != "X-Rivet-Token"
		}
	}
	if auth {
		r.Header.Set("Authorization", "Bearer "+f.token(tenants.RoleAdmin))
	}
	if r.Header.Get("Content-Type") == "" && (method == "PUT" || method == "POST" || method == "PATCH") {
		r.Header.Set("Content-Type", typeJSON)
	}
	return r
}

func (f *fixture) send(r *http.Request) answer {
	f.t.Helper()
	a, err := f.try(r)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// try is send for requests that may fail.
func (f *fixture) try(r *http.Request) (answer, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

// publish puts a version into the registry, as package actors does after its checks.
func (f *fixture) publish(module string, wasm []byte) tenants.Version {
	f.t.Helper()
	v, _, err := f.publishFor(tenants.Default, bytes.NewReader(wasm), actors.UploadOptions{Module: module, Live: true})
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *fixture) publishFor(ns tenants.ID, wasm io.Reader, o actors.UploadOptions) (tenants.Version, bool, error) {
	st, err := f.reg.Stage(wasm, actors.MaxModule)
	if err != nil {
		return tenants.Version{}, false, fmt.Errorf("actors: upload: %w", err)
	}
	v := tenants.Version{
		Namespace: ns, Module: o.Module, Plain: true, Input: o.Input, Labels: o.Labels, Note: o.Note,
		Actors: map[string]abi.ActorManifest{o.Module: {Actions: map[string]abi.ActionManifest{"inc": {}, "dec": {}}}},
	}
	return f.reg.Publish(context.Background(), st, v, o.Live)
}

// corrupt changes a byte of a module's file.
func (f *fixture) corrupt(d tenants.Digest) {
	f.t.Helper()
	path := filepath.Join(f.dir, d.String()+".wasm")
	b, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// as is the header that authenticates with a token of a role.
func (f *fixture) as(role tenants.Role, ns ...tenants.ID) string {
	return "Authorization: Bearer " + f.token(role, ns...)
}

// wantError checks the shape of an error and returns its body.
func (a answer) wantError(t *testing.T, status int, group, code string) errorBody {
	t.Helper()
	var b errorBody
	if err := json.Unmarshal([]byte(a.body), &b); err != nil {
		t.Fatalf("status %d, body is no error: %q", a.status, a.body)
	}
	if a.status != status || b.Group != group || b.Code != code {
		t.Fatalf("got %d %s/%s (%s %s), want %d %s/%s", a.status, b.Group, b.Code, b.Message, b.Metadata, status, group, code)
	}
	if b.Message == "" || b.RequestID == "" || b.RequestID != a.header.Get(rayHeader) {
		t.Errorf("message %q, request_id %q, header %q", b.Message, b.RequestID, a.header.Get(rayHeader))
	}
	if got := a.header.Get("Content-Type"); got != typeJSON {
		t.Errorf("content type %q", got)
	}
	if a.header.Get("X-Rivet-Error") != group+"."+code {
		t.Errorf("x-rivet-error %q", a.header.Get("X-Rivet-Error"))
	}
	return b
}

// wantBody checks a success.
func (a answer) wantBody(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Fatalf("got %d %s\nwant %d %s", a.status, a.body, status, body)
	}
}

// actor makes an actor of default.
func (f *fixture) actor(name string, key tenants.Key) tenants.ActorID {
	f.host.mu.Lock()
	defer f.host.mu.Unlock()
	return f.host.put(tenants.Address{Namespace: tenants.Default, Name: name, Key: key}).ID
}

func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Fatalf("error %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Fatalf("error %v, want one with %q", err, want)
	}
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// mustJSON returns v as JSON text.
func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprint("not JSON: ", v))
	}
	return string(b)
}
