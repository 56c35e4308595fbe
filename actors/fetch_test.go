package actors_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// openFetch runs a host whose scripted guest may fetch from a server on loopback.
func openFetch(t *testing.T, h http.Handler, config func(*actors.Config)) (*actorstest.Stack, string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := openScript(t, func(c *actors.Config) {
		c.AllowLoopback = []string{strings.TrimPrefix(srv.URL, "http://")}
		if config != nil {
			config(c)
		}
	})
	grant(t, s, srv.URL)
	return s, srv.URL
}

func grant(t *testing.T, s *actorstest.Stack, hosts ...string) {
	t.Helper()
	if _, err := s.Registry.SetGrants(t.Context(), tenants.Default, "script", tenants.Grants{Egress: hosts}); err != nil {
		t.Fatal(err)
	}
}

func get(url string) abi.FetchRequest { return abi.FetchRequest{URL: url} }

// echoServer answers with what it was asked.
var echoServer = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Answer", "yes")
	w.WriteHeader(418)
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL, r.Header.Get("X-Key"), b)
})

// A module reaches nothing unless its namespace grants it, and loopback only if the operator says so, too.
func TestFetchNeedsAGrant(t *testing.T) {
	s, url := openFetch(t, echoServer, func(c *actors.Config) {
		c.Secrets = func(ns tenants.ID, module, name, host string) (string, error) {
			if ns == tenants.Default && module == "script" && name == "KEY" && host == "127.0.0.1" {
				return "s3cret", nil
			}
			return "", fmt.Errorf("no")
		}
	})
	id := s.Actor(tenants.Default, "script", "a")
	f := abi.FetchRequest{Method: "POST", URL: url + "/p?q", Secrets: map[string]string{"X-Key": "{secret:KEY}"}}
	got := s.MustDo(id, step("fetch", f, "body"), step("result"))
	if got[1].N != 0 || !strings.HasPrefix(got[1].B, "POST /p?q ") || !strings.HasSuffix(got[1].B, " body") || strings.Contains(got[1].B, "s3cret") {
		t.Errorf("the answer is %+v", got[1])
	}
	if !strings.Contains(got[0].B, `"status":418`) || !strings.Contains(got[0].B, `"x-answer":["yes"]`) {
		t.Errorf("the envelope is %q", got[0].B)
	}
	other := httptest.NewServer(echoServer)
	defer other.Close()
	grant(t, s, url, other.URL)
	denied := func(why string, steps ...actorstest.Step) {
		t.Helper()
		if code := lastCode(t, s, id, steps...); code != abi.CodeEgressDenied {
			t.Errorf("%s: %v", why, code)
		}
	}
	denied("loopback that the operator does not list", step("fetch", get(other.URL), ""), step("result"))
	denied("a secret of another name", step("fetch", abi.FetchRequest{URL: url, Secrets: map[string]string{"x": "{secret:OTHER}"}}, ""), step("result"))
	denied("not granted", step("fetch", get("https://example.com/"), ""))
	bound := func(hosts *[]string) {
		t.Helper()
		if err := s.Registry.SetEgressBound(t.Context(), tenants.Default, hosts); err != nil {
			t.Fatal(err)
		}
	}
	bound(&[]string{"example.com"})
	denied("granted beyond what the operator lets the namespace reach", step("fetch", get(url), ""))
	bound(&[]string{})
	denied("the operator lets the namespace reach nothing", step("fetch", get(url), ""))
	bound(&[]string{url})
	if code := lastCode(t, s, id, step("fetch", get(url), ""), step("result")); code != 0 {
		t.Errorf("within the bound: %v", code)
	}
	bound(nil)
	grant(t, s)
	denied("nothing is granted", step("fetch", get(url), ""))
	denied("nothing is granted to a task", step("task_fetch", get(url), "", ""))
	s.Upload("other", "script", actorstest.ScriptGuest)
	grant(t, s, url)
	foreign := s.Actor("other", "script", "a")
	if code := lastCode(t, s, foreign, step("fetch", get(url), "")); code != abi.CodeEgressDenied {
		t.Errorf("a grant of another namespace: %v", code)
	}
	if st := s.Host.Stats(); st.Fetches["answered"] != 2 || st.Fetches["egress/denied"] == 0 || st.FetchesOpen != 0 || len(st.Fetches) != 2 {
		t.Errorf("the fetches are told as %v, %d open", st.Fetches, st.FetchesOpen)
	}
}

// Addresses that are nobody's business stay out of reach through the whole path, whatever is granted.
func TestFetchReachesOnlyTheInternet(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script", "a")
	hosts := []string{"http://127.0.0.1", "http://[::1]", "http://169.254.169.254", "http://10.0.0.1", "http://[::ffff:10.0.0.1]", "http://[64:ff9b::7f00:1]", "http://0.0.0.0", "http://localhost"}
	grant(t, s, hosts...)
	for _, h := range hosts {
		if code := lastCode(t, s, id, step("fetch", get(h+"/"), ""), step("result")); code != abi.CodeEgressDenied && h != "http://localhost" || code == 0 {
			t.Errorf("%s: %v", h, code)
		}
	}
	for _, url := range []string{"ftp://10.0.0.1/", "http://10.0.0.1:81/", "http://user@10.0.0.1/", "http://0x0a000001/", "//10.0.0.1/", ""} {
		if code := lastCode(t, s, id, step("fetch", get(url), "")); code != abi.CodeEgressDenied {
			t.Errorf("%q: %v", url, code)
		}
	}
}

// What a server or a guest sends is bounded, and so is how often a turn fetches.
func TestFetchBounds(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 20 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/away":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}
	}), nil)
	id := s.Actor(tenants.Default, "script", "a")
	for path, want := range map[string]abi.Code{"/bomb": abi.CodeResponseTooLarge, "/endless": abi.CodeResponseTooLarge, "/loop": abi.CodeFetchFailed, "/away": abi.CodeEgressDenied} {
		if code := lastCode(t, s, id, step("fetch", get(url+path), ""), step("result")); code != want {
			t.Errorf("%s: %v, want %v", path, code, want)
		}
		on(s, id, abi.KindTask, step("result"))
		seen := len(tasksSeen(s, id))
		s.MustDo(id, step("task_fetch", get(url+path), "", ""))
		last := awaitTasks(t, s, id, seen+1)[seen]
		if r, err := abi.ParseReply([]byte(last.Args)); err != nil || r.Status != abi.StatusHost {
			t.Errorf("the task of %s ends with %+v, %v", path, r, err)
		}
	}
	var steps []actorstest.Step
	for range abi.MaxFetches {
		steps = append(steps, step("fetch", get(url+"/"), ""))
	}
	if code := lastCode(t, s, id, append(steps, step("fetch", get(url+"/"), ""))...); code != abi.CodeTooManyFetches {
		t.Errorf("one fetch too many: %v", code)
	}
	if code := lastCode(t, s, id, step("fetch", abi.FetchRequest{URL: url, Stream: true}, "")); code != abi.CodeInvalidArgument {
		t.Errorf("a blocking stream: %v", code)
	}
	if code := lastCode(t, s, id, step("fetch", `{"url":"x","unknown":1}`, "")); code != abi.CodeInvalidArgument {
		t.Errorf("a field that does not exist: %v", code)
	}
}

// Ten requests that wait for a slow server wait at the same time, and the actor serves others meanwhile.
func TestFetchTasksOverlap(t *testing.T) {
	const n = 10
	var arrived sync.WaitGroup
	arrived.Add(n)
	free := make(chan struct{})
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Done()
		<-free
		fmt.Fprintf(w, "%q", r.URL.Path)
	}), nil)
	id := s.Actor(tenants.Default, "script", "a")
	on(s, id, abi.KindTask, step("reply", -1, "$ARGS"))
	var calls []waitingCall
	for i := range n {
		calls = append(calls, openCall(t, s, id, t.Context(), fmt.Sprint("k", i), step("task_fetch", get(fmt.Sprintf("%s/%d", url, i)), "", "")))
	}
	arrived.Wait() // none of them waits for another
	if _, err := s.Call(id, "nop"); err != nil {
		t.Errorf("meanwhile: %v", err)
	}
	close(free)
	for i, c := range calls {
		if a := <-c.answer; a.err != nil || a.out != fmt.Sprintf(`"/%d"`, i) {
			t.Errorf("request %d: %s, %v", i, a.out, a.err)
		}
	}
	awaitNoTasks(t, s, id)
}

// What tasks send is in memory only for as many of a namespace's as have room; the others wait on disk.
func TestLargeBodiesWaitOnDisk(t *testing.T) {
	const n, share = 20, 16
	var arrived atomic.Int32
	free := make(chan struct{})
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err != nil || r.Method == "POST" && len(b) != 70<<10 {
			t.Errorf("a body of %d bytes, %v", len(b), err)
		}
		arrived.Add(1)
		<-free
	}), nil)
	id := s.Actor(tenants.Default, "script", "a")
	for range n {
		s.MustDo(id, step("task_fetch", abi.FetchRequest{Method: "POST", URL: url}, strings.Repeat("x", 70<<10), ""))
	}
	kvtest.Eventually(t, "the share to arrive", func() bool { return arrived.Load() >= share })
	s.MustDo(id, step("task_fetch", get(url), "", "")) // has no body: it passes those that wait, which began before it
	kvtest.Eventually(t, "the one without a body to arrive", func() bool { return arrived.Load() > share })
	if got := arrived.Load(); got != share+1 {
		t.Errorf("%d requests arrived, want %d bodies and one without", got, share)
	}
	close(free)
	awaitNoTasks(t, s, id)
	if got := arrived.Load(); got != n+1 {
		t.Errorf("%d requests arrived, want %d", got, n+1)
	}
}

// A fetch that a process did not see the end of is made again by the next, and its effect is there once.
func TestFetchTaskOverARestart(t *testing.T) {
	var hits atomic.Int32
	arrived, free := make(chan struct{}, 2), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if hits.Add(1) == 1 {
			arrived <- struct{}{}
			<-r.Context().Done()
			return
		}
		<-free
		w.Write(b)
	}))
	defer srv.Close()
	o := actorstest.Options{Dir: t.TempDir(), Config: func(c *actors.Config) { c.AllowLoopback = []string{strings.TrimPrefix(srv.URL, "http://")} }}
	s := actorstest.Open(t, o)
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	grant(t, s, srv.URL)
	id := s.Actor(tenants.Default, "script", "a")
	task := s.MustDo(id, step("task_fetch", abi.FetchRequest{Method: "POST", URL: srv.URL}, "the body", "ctx"))[0].B
	<-arrived
	s.Close()
	close(free)
	s = actorstest.Open(t, o)
	seen := awaitTasks(t, s, id, 1)
	if k := head(t, seen[0]); k.ID != task || k.Attempt != 2 || !strings.Contains(seen[0].Args, "the body") || seen[0].Context != "ctx" || seen[0].Request != 0 {
		t.Errorf("the guest saw %+v", seen[0])
	}
	awaitNoTasks(t, s, id)
	if n := len(tasksSeen(s, id)); n != 1 || hits.Load() != 2 {
		t.Errorf("%d effects of %d fetches", n, hits.Load())
	}
}

// The deadline of a request travels with the task that it began.
func TestFetchTaskDeadline(t *testing.T) {
	gone := make(chan struct{})
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done(); close(gone) }), nil)
	id := s.Actor(tenants.Default, "script", "a")
	s.Host.SetTurnTime(3 * time.Second)
	p := openCall(t, s, id, t.Context(), "k", step("task_fetch", get(url), "", ""))
	if a := <-p.answer; abi.CodeOf(a.err) != abi.CodeActionTimedOut {
		t.Errorf("the request ends with %v", a.err)
	}
	<-gone
	seen := awaitTasks(t, s, id, 1)[0]
	if !strings.Contains(seen.Args, abi.CodeActionTimedOut.Message()) {
		t.Errorf("the guest saw %+v", seen)
	}
}

// A fetch inside a turn tells a stranger nothing that is not on disk yet.
func TestFetchWaitsForEarlierTurns(t *testing.T) {
	var g *kvtest.Gate
	var hits atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer srv.Close()
	s := actorstest.Open(t, actorstest.Options{
		Store:  func(inner kv.Store) kv.Store { g = kvtest.NewGate(inner); return g },
		Config: func(c *actors.Config) { c.AllowLoopback = []string{strings.TrimPrefix(srv.URL, "http://")} },
	})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	grant(t, s, srv.URL)
	id := s.Actor(tenants.Default, "script", "a")
	g.Hold()
	done := make(chan error, 2)
	go func() { _, err := s.Do(id, step("kv_put", "k", "v")); done <- err }()
	g.AwaitHeld(t, 1)
	posted := s.Host.Posted(id)
	go func() { _, err := s.Do(id, step("fetch", get(srv.URL), "")); done <- err }()
	kvtest.Eventually(t, "the turn to begin", func() bool { return s.Host.Posted(id) > posted && s.Host.Waiting(id) == 0 })
	if n := hits.Load(); n != 0 {
		t.Error("the server was asked before the commit")
	}
	g.Resume()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := hits.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

// A cancelled fetch is cut off.
func TestCancelFetchTask(t *testing.T) {
	arrived, cut := make(chan struct{}), make(chan struct{})
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(cut)
	}), nil)
	id := s.Actor(tenants.Default, "script", "a")
	task := s.MustDo(id, step("task_fetch", get(url), "", ""))[0].B
	<-arrived
	s.MustDo(id, step("task_cancel", task))
	<-cut
	awaitNoTasks(t, s, id)
	if seen := tasksSeen(s, id); len(seen) != 0 {
		t.Errorf("the guest saw %+v", seen)
	}
}

// A streamed answer comes in parts, whole lines each of an event stream, in order, until the last.
func TestStreamedFetch(t *testing.T) {
	next := make(chan string)
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for text := range next {
			io.WriteString(w, text)
			w.(http.Flusher).Flush()
		}
	}), nil)
	id := s.Actor(tenants.Default, "script", "a")
	s.MustDo(id, step("task_fetch", abi.FetchRequest{URL: url, Stream: true}, "", "ctx"))
	next <- "data: 1\n\ndata: 2"
	part := func(i int) abi.Reply {
		t.Helper()
		r, err := abi.ParseReply([]byte(awaitTasks(t, s, id, i+1)[i].Args))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := part(0); r.Status != abi.StatusOpen || string(r.Result) != "data: 1\n\n" || !strings.Contains(string(r.Head), "event-stream") {
		t.Errorf("the first part is %+v", r)
	}
	next <- "\n\n"
	if r := part(1); r.Status != abi.StatusOpen || string(r.Result) != "data: 2\n\n" || len(r.Head) != 0 {
		t.Errorf("the second part is %+v", r)
	}
	// A part whose turn fails comes again, before any other.
	on(s, id, abi.KindTask, step("trap"))
	next <- "data: 3\n"
	kvtest.Eventually(t, "a trap", func() bool { return strings.Contains(s.Log(id), "trapped") })
	on(s, id, abi.KindTask)
	if r := part(2); string(r.Result) != "data: 3\n" {
		t.Errorf("the third part is %+v", r)
	}
	next <- "data: 4\nrest"
	close(next)
	var rest string
	for i := 3; ; i++ {
		r := part(i)
		rest += string(r.Result)
		if r.Status != abi.StatusOpen {
			break
		}
	}
	if rest != "data: 4\nrest" {
		t.Errorf("the rest is %q", rest)
	}
	awaitNoTasks(t, s, id)
}

// A server is read only as fast as the guest takes what it sends.
func TestStreamHoldsTheServer(t *testing.T) {
	var sent atomic.Int64
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 7 << 20 >> 10 {
			n, err := w.Write(make([]byte, 1<<10))
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
	}), nil)
	id := s.Actor(tenants.Default, "script", "a")
	on(s, id, abi.KindTask, step("user", "busy", "not now"))
	task := s.MustDo(id, step("task_fetch", abi.FetchRequest{URL: url, Stream: true}, "", ""))[0].B
	kvtest.Eventually(t, "a first part", func() bool { return sent.Load() > 0 })
	last := int64(-1)
	kvtest.Eventually(t, "the server to wait", func() bool { now := sent.Load(); still := now == last; last = now; return still })
	if last >= 7<<20 {
		t.Errorf("the server has sent all %d bytes to a guest that takes none", last)
	}
	s.MustDo(id, step("task_cancel", task))
	awaitNoTasks(t, s, id)
}

// A plug-in that knows only Extism fetches in Extism's way, where its namespace lets it.
func TestPlainModuleFetches(t *testing.T) {
	s, url := openFetch(t, echoServer, nil)
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "fetcher", Live: true, Input: tenants.InputValue}, actorstest.Guest(t, "guest-sdk/testguests/fetcher"))
	id := s.Actor(tenants.Default, "fetcher")
	if out, err := s.Call(id, "get", url+"/p"); abi.CodeOf(err) != abi.CodeEgressDenied {
		t.Errorf("without a grant: %s, %v", out, err)
	}
	if _, err := s.Registry.SetGrants(t.Context(), tenants.Default, "fetcher", tenants.Grants{Egress: []string{url}}); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Call(id, "timer"); err != nil || string(out) != "-45" {
		t.Errorf("a task, which has no turn for its outcome, gives %s, %v", out, err)
	}
	if out, err := s.Call(id, "get", url+"/p"); err != nil || string(out) != `"418 yes POST /p value body"` {
		t.Errorf("the answer is %s, %v", out, err)
	}
}

// Answers that are not small come whole, more of them than a namespace may have waiting at once.
func TestLargeFetchTasks(t *testing.T) {
	const size, n = 1 << 20, 12
	s, url := openFetch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(bytes.Repeat([]byte("x"), size)) }), nil)
	id := s.Actor(tenants.Default, "script", "a")
	var steps []actorstest.Step
	for range n {
		steps = append(steps, step("task_fetch", get(url), "", ""))
	}
	// The first turn of each fails, and is tried again with the answer that is kept.
	on(s, id, abi.KindTask, step("kv_get", "ok"), step("log", 2, "a task ended"), step("user", "not", "yet"))
	s.MustDo(id, steps...)
	kvtest.Eventually(t, "failing turns", func() bool { return strings.Count(s.Log(id), "a task ended") >= n })
	on(s, id, abi.KindTask)
	awaitNoTasks(t, s, id)
	if log := s.Log(id); strings.Contains(log, "given up") {
		t.Errorf("the log is:\n%s", log)
	}
}

// An actor that waits for a fetch gives its instance to others, and has its memory back when the answer is there.
func TestWaitingActorLendsItsInstance(t *testing.T) {
	free := make(chan struct{})
	s, url := openFetch(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-free }), func(c *actors.Config) { c.MaxInstances = 1 })
	a := s.Actor(tenants.Default, "hooked", "a")
	s.MustDo(a, step("remember", "x"), step("task_fetch", get(url), "", ""))
	for i := range 3 {
		b := s.Actor(tenants.Default, "script", fmt.Sprint(i))
		s.MustDo(b, step("kv_put", "k", "v"))
	}
	if awake, live := s.Host.Awake(); awake < 2 || live > 1 {
		t.Errorf("%d actors are awake with %d instances", awake, live)
	}
	close(free)
	awaitTasks(t, s, a, 1)
	if got := s.MustDo(a, step("remember", "x")); got[0].N != 2 {
		t.Errorf("after it the guest remembers %d, want 2", got[0].N)
	}
	if kinds := s.Kinds(a); kinds != "2 3 4 3 14" {
		t.Errorf("the guest saw turns of kind %s", kinds)
	}
}
