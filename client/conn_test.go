package client_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

// journal is what handlers have seen, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "; ")
}

func (j *journal) want(t testing.TB, want string) {
	t.Helper()
	kvtest.Eventually(t, "the journal to be "+want, func() bool { return j.String() == want })
}

// count is a handler of kitchen's event.
func (j *journal) count(e client.Event) {
	var n int
	var how struct{ By int }
	if err := e.Decode(&n, &how); err != nil {
		j.add("%v", err)
		return
	}
	j.add("%d by %d", n, how.By)
}

func (j *journal) status(s client.Status, why error) { j.add("%v", s) }

func connect(t testing.TB, h *client.Handle, o client.ConnOptions) *client.Conn {
	t.Helper()
	c, err := h.Connect(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func inc(t testing.TB, to client.Caller, by int) int {
	t.Helper()
	return must[int](t)(client.Call[int](within(t), to, "inc", by))
}

func TestEvents(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		h := c.GetOrCreate("kitchen", newKey())
		var first, second, once journal
		a, b := connect(t, h, client.ConnOptions{}), connect(t, h, client.ConnOptions{})
		off := a.On("count", first.count)
		a.Once("count", once.count)
		b.On("count", second.count)
		for _, conn := range []*client.Conn{a, b} { // the subscriptions leave before a call
			if n := must[int](t)(client.Call[int](within(t), conn, "get")); n != 0 {
				t.Errorf("get is %d", n)
			}
		}
		inc(t, a, 3)
		inc(t, h, 4)
		second.want(t, "3 by 3; 7 by 4")
		first.want(t, "3 by 3; 7 by 4")
		once.want(t, "3 by 3")
		off()
		off() // does nothing
		inc(t, a, 1)
		second.want(t, "3 by 3; 7 by 4; 8 by 1")
		if got := first.String(); strings.Contains(got, "8 by 1") {
			t.Errorf("after off: %s", got)
		}
		if a.ID() == b.ID() || a.ActorID() != b.ActorID() || a.ActorID() != must[string](t)(h.Resolve(within(t))) {
			t.Errorf("connection %s to %s and %s to %s", a.ID(), a.ActorID(), b.ID(), b.ActorID())
		}
	})
}

// Arguments of events are decoded by what they are decoded into.
func TestEventArguments(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		h := c.GetOrCreate("script", newKey())
		conn := connect(t, h, client.ConnOptions{})
		got := make(chan client.Event, 100)
		conn.On("e", func(e client.Event) { got <- e })
		for _, tt := range []struct{ args, want string }{
			{`[]`, "[]"}, {`[1,"two"]`, `[1 "two"]`}, {`["$x",1]`, `["$x" 1]`}, {`[["$BigInt","5"],["$Uint8Array","CQ=="],["$Undefined",0]]`, `[5 "CQ==" null]`},
			{`["$BigInt","5"]`, `["$BigInt" "5"]`}, // a list of arguments is no bigint
		} {
			if err := client.Do(within(t), conn, "do", []actorstest.Step{actorstest.S("broadcast", "e", tt.args)}); err != nil {
				t.Fatal(err)
			}
			e := <-got
			args, err := e.Args()
			if text := fmt.Sprintf("%s", args); text != tt.want || err != nil {
				t.Errorf("%s arrived as %s, %v", tt.args, text, err)
			}
			var n int
			var s string
			if err := e.Decode(&n, &s); (err == nil) != (tt.want == `[1 "two"]` || strings.HasPrefix(tt.want, "[5")) {
				t.Errorf("%s decoded to %d, %q, %v", tt.args, n, s, err)
			}
		}
	})
}

// A handler may call the actor, subscribe, and close its connection.
func TestHandlersDoAsTheyLike(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		conn := connect(t, c.GetOrCreate("kitchen", newKey()), client.ConnOptions{})
		var seen journal
		conn.On("count", func(e client.Event) {
			var n int
			if err := e.Decode(&n); err != nil || n >= 5 {
				seen.add("end %v", err)
				conn.Close()
				return
			}
			conn.Once("count", func(client.Event) { seen.add("once") })
			inc(t, conn, 1)
		})
		inc(t, conn, 1)
		<-conn.Done()
		seen.want(t, "once; once; once; end <nil>") // of the fifth event only the handler that closed
		if s, why := conn.Status(); s != client.Closed || why != client.ErrClosed {
			t.Errorf("the status is %v, %v", s, why)
		}
		if err := client.Do(within(t), conn, "get"); err != client.ErrClosed {
			t.Errorf("a call after the end: %v", err)
		}
		conn.Close()
	})
}

// A kick and a host's own ends are no ends for the connection.
func TestKicked(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		var seen journal
		conn := connect(t, c.GetOrCreate("kitchen", newKey()), client.ConnOptions{Status: seen.status})
		conn.On("count", seen.count)
		inc(t, conn, 1)
		_ = client.Do(within(t), conn, "kick") // its answer may be lost
		if n := inc(t, conn, 1); n != 2 {      // waits until it is back
			t.Errorf("inc is %d", n)
		}
		seen.want(t, "connected; 1 by 1; connecting; connected; 2 by 1")
		conn.Close()
	})
}

func TestActorSleepsBeneathConnection(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		var seen journal
		h := c.GetOrCreate("kitchen", newKey()).WithParams(map[string]string{"name": "kept"})
		conn := connect(t, h, client.ConnOptions{Status: seen.status})
		conn.On("count", seen.count)
		inc(t, conn, 1)
		if err := client.Do(within(t), conn, "doze"); err != nil {
			t.Fatal(err)
		}
		inc(t, conn, 1)
		seen.want(t, "connected; 1 by 1; 2 by 1")
		if got := must[map[string]string](t)(client.Call[map[string]string](within(t), conn, "whoami")); got["name"] != "kept" {
			t.Errorf("the params are %v", got)
		}
	})
}

// What the actor refuses is refused for good: nobody hammers it.
func TestRefusedForGood(t *testing.T) {
	inEach(t, func(t *testing.T, _ *client.Client) {
		c := stranger(t, client.Options{Encoding: encodingOf(t)})
		if _, err := c.Get("kitchen", newKey()).Connect(within(t), client.ConnOptions{}); !client.Is(err, "actor/not_found") {
			t.Errorf("an actor that is not there: %v", err)
		}
		key := newKey()
		inc(t, c.GetOrCreate("kitchen", key), 1)
		var seen journal
		conn := connect(t, c.GetOrCreate("kitchen", key), client.ConnOptions{Status: func(s client.Status, why error) { seen.add("%v %v", s, client.Is(why, "actor/destroyed")) }})
		_ = client.Do(within(t), c.Get("kitchen", key), "destroy")
		<-conn.Done()
		if s, why := conn.Status(); s != client.Closed || !client.Is(why, "actor/destroyed") {
			t.Errorf("the status is %v, %v", s, why)
		}
		seen.want(t, "connected false; closed true")
		if err := client.Do(within(t), conn, "get"); !client.Is(err, "actor/destroyed") {
			t.Errorf("a call after the end: %v", err)
		}
		if _, err := c.Get("kitchen", key).Resolve(within(t)); !client.Is(err, "actor/not_found") {
			t.Errorf("the actor is there again: %v", err)
		}
	})
}

// A message that is too long is the fault of one call, not the end of the connection.
func TestLongMessage(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		conn := connect(t, c.GetOrCreate("kitchen", newKey()), client.ConnOptions{})
		err := client.Do(within(t), conn, "echo", strings.Repeat("x", 2<<20))
		if !errors.Is(err, client.ErrLost) || !client.Is(err, "message/incoming_too_long") {
			t.Errorf("the call got %v", err)
		}
		if n := inc(t, conn, 1); n != 1 {
			t.Errorf("inc is %d", n)
		}
	})
}

// Events that nobody takes are bounded, and do not hold up answers.
func TestEventsThatNobodyTakes(t *testing.T) {
	c := newClient(t, client.Options{})
	h := c.GetOrCreate("script", newKey())
	var seen journal
	conn := connect(t, h, client.ConnOptions{Status: func(s client.Status, why error) { seen.add("%v %v", s, errors.Is(why, client.ErrTooSlow)) }})
	stuck, free := make(chan struct{}), make(chan struct{})
	n := 0
	conn.On("e", func(client.Event) {
		if n++; n == 1 {
			close(stuck)
			<-free
		}
	})
	many := make([]actorstest.Step, 900)
	for i := range many {
		many[i] = actorstest.S("broadcast", "e", "[1]")
	}
	if err := client.Do(within(t), conn, "do", many); err != nil {
		t.Fatal(err)
	}
	<-stuck
	for i := 1; i < client.MaxEvents/900; i++ { // answers come though events wait
		if err := client.Do(within(t), conn, "do", many); err != nil {
			t.Fatal(err)
		}
	}
	err := client.Do(within(t), conn, "do", many) // one turn too many
	if err != nil && !errors.Is(err, client.ErrLost) {
		t.Errorf("the call that was too much: %v", err)
	}
	kvtest.Eventually(t, "the connection to break", func() bool {
		s, why := conn.Status()
		return s != client.Connected && errors.Is(why, client.ErrTooSlow)
	})
	close(free)
	if err := client.Do(within(t), conn, "nop"); err != nil {
		t.Errorf("after it has come back: %v", err)
	}
	seen.want(t, "connected false; connecting true; connected false")
	conn.Close()
	if n < client.MaxEvents {
		t.Errorf("%d events were handled, want those that had room", n)
	}
}

// Calls are given up with their contexts, and their answers come to nothing.
func TestCallsGivenUp(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		conn := connect(t, c.GetOrCreate("kitchen", newKey()), client.ConnOptions{})
		for i := range 50 {
			ctx, cancel := context.WithCancel(within(t))
			if i%2 == 0 {
				cancel()
			} else {
				go cancel()
			}
			if n, err := client.Call[int](ctx, conn, "echo", i); err != nil && !errors.Is(err, context.Canceled) || err == nil && n != i {
				t.Errorf("%d, %v, want %d", n, err, i)
			}
			cancel()
		}
		if n := must[int](t)(client.Call[int](within(t), conn, "echo", 7)); n != 7 {
			t.Errorf("echo is %d", n)
		}
	})
}

// The host is killed beneath its connections: they come back with their subscriptions, calls that are made meanwhile
// wait, the one that was under way is told that nobody knows.
func TestHostIsKilled(t *testing.T) {
	type each struct {
		c    *client.Client
		conn *client.Conn
		seen journal
	}
	all := map[string]*each{}
	for _, name := range encodings {
		e := &each{c: newClient(t, client.Options{Encoding: name})}
		e.c.Hurry(20*time.Millisecond, 200*time.Millisecond, time.Minute)
		h := e.c.GetOrCreate("kitchen", newKey()).WithParams(map[string]string{"name": name})
		e.conn = connect(t, h, client.ConnOptions{Status: e.seen.status})
		e.conn.On("count", e.seen.count)
		inc(t, e.conn, 1)
		all[name] = e
	}
	// An actor that waits keeps a call open.
	waiting := connect(t, all["bare"].c.GetOrCreate("script", newKey()), client.ConnOptions{})
	open := make(chan error, 1)
	go func() {
		open <- client.Do(within(t), waiting, "do", []actorstest.Step{actorstest.S("open")})
	}()
	if err := client.Do(within(t), waiting, "nop"); err != nil {
		t.Fatal(err)
	}
	host.Kill()
	if err := <-open; !errors.Is(err, client.ErrLost) {
		t.Errorf("the call under way: %v", err)
	}
	for name, e := range all {
		kvtest.Eventually(t, name+" to have seen it", func() bool { s, _ := e.conn.Status(); return s == client.Connecting })
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := client.Do(short, all["bare"].conn, "get"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that does not wait: %v", err)
	}
	done := make(chan string, len(all))
	for name, e := range all {
		go func() { done <- fmt.Sprint(name, " ", inc(t, e.conn, 1)) }()
	}
	host.Start()
	var got []string
	for range all {
		got = append(got, <-done)
	}
	slices.Sort(got)
	if want := []string{"bare 2", "cbor 2", "json 2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the calls that waited gave %v, want %v", got, want)
	}
	for name, e := range all {
		kvtest.Eventually(t, "the event after the restart", func() bool { return strings.HasSuffix(e.seen.String(), "connected; 2 by 1") })
		if !strings.HasPrefix(e.seen.String(), "connected; 1 by 1; connecting; ") {
			t.Errorf("%s: %s", name, e.seen.String())
		}
		if who := must[map[string]string](t)(client.Call[map[string]string](within(t), e.conn, "whoami")); who["name"] != name {
			t.Errorf("%s is %v", name, who)
		}
	}
}

// Whatever a connection was doing when it is closed, nothing of it stays.
func TestNothingStaysAfterClose(t *testing.T) {
	settle := func(c *client.Client) int {
		c.Close()
		runtime.GC()
		return runtime.NumGoroutine()
	}
	c := newClient(t, client.Options{})
	before := settle(c)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			h := c.GetOrCreate("kitchen", newKey())
			conn, err := h.Connect(within(t), client.ConnOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			conn.On("count", func(client.Event) {})
			for range i % 4 {
				wg.Go(func() {
					var err error
					for err == nil {
						err = client.Do(within(t), conn, "inc", 1)
					}
					if !errors.Is(err, client.ErrLost) && !errors.Is(err, client.ErrClosed) {
						t.Error(err)
					}
				})
			}
			inc(t, conn, 1)
			if i%5 == 0 {
				_ = client.Do(within(t), conn, "kick")
			}
			conn.Close()
		})
	}
	wg.Wait()
	kvtest.Eventually(t, "the goroutines to end", func() bool { return settle(c) <= before })
}
