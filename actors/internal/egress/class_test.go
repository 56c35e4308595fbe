package egress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// gate is a server whose answers wait for a permission each, and that counts requests in progress.
type gate struct {
	address       string
	arrived, open chan struct{}
	now, most     atomic.Int64
}

func newGate(t *testing.T) *gate {
	g := &gate{arrived: make(chan struct{}, 100), open: make(chan struct{})}
	g.address = serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := g.now.Add(1)
		for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
		}
		g.arrived <- struct{}{}
		select {
		case <-g.open:
		case <-r.Context().Done():
		}
		g.now.Add(-1)
	})
	return g
}

func TestCaps(t *testing.T) {
	tests := []struct {
		name          string
		perClass, all int
		classes       int
		most          int64
	}{
		{name: "of a class", perClass: 2, all: 100, classes: 1, most: 2},
		{name: "of all", perClass: 2, all: 3, classes: 4, most: 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			w := newWorld(t, Config{AllowLoopback: []string{g.address}, MaxPerClass: tt.perClass, MaxRequests: tt.all})
			p := policy(t, "http://"+g.address)
			var running sync.WaitGroup
			const requests = 12
			for i := range requests {
				running.Go(func() {
					r, err := w.Do(t.Context(), fmt.Sprint(i%tt.classes), p, abi.FetchRequest{URL: "http://" + g.address}, nil)
					if err == nil {
						_, err = r.ReadAll(0)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			for range tt.most {
				<-g.arrived // together
			}
			for range requests {
				g.open <- struct{}{}
			}
			running.Wait()
			if got := g.most.Load(); got != tt.most {
				t.Errorf("got %d requests at a time, want %d", got, tt.most)
			}
		})
	}
}

// TestFullClassLeavesOthersAlone: one that waits for its own slot holds none of the others', and its
// wait ends with its context.
func TestFullClassLeavesOthersAlone(t *testing.T) {
	g := newGate(t)
	w := newWorld(t, Config{AllowLoopback: []string{g.address}, MaxPerClass: 1, MaxRequests: 2})
	p, f := policy(t, "http://"+g.address), abi.FetchRequest{URL: "http://" + g.address}
	ctx, cancel := context.WithCancelCause(t.Context())
	var running sync.WaitGroup
	cause := errors.New("enough")
	for range 3 {
		running.Go(func() {
			if _, err := w.Do(ctx, "full", p, f, nil); err != cause {
				t.Errorf("got %v, want the context's cause", err)
			}
		})
	}
	<-g.arrived
	running.Go(func() {
		r, err := w.Do(t.Context(), "other", p, f, nil)
		if err != nil {
			t.Error(err)
			return
		}
		r.Body.Close()
	})
	<-g.arrived
	cancel(cause)
	close(g.open)
	running.Wait()
}

// TestSlotsAreGivenBack: a body that is closed early, read to its end or broken frees its slot, and
// so does a request that fails; Close waits for it and refuses what comes later.
func TestSlotsAreGivenBack(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 100<<10)) })
	w := newWorld(t, Config{AllowLoopback: []string{address}, MaxPerClass: 1, MaxRequests: 1})
	p := policy(t, "http://"+address, "http://10.0.0.1")
	for range 3 {
		r, err := w.Do(t.Context(), "acme", p, abi.FetchRequest{URL: "http://" + address}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		r.Body.Close()
		_, _, err = w.fetch(t, p, abi.FetchRequest{URL: "http://10.0.0.1"}, nil)
		checkCode(t, err, abi.CodeEgressDenied, "private")
		if _, _, err = w.fetch(t, p, abi.FetchRequest{URL: "http://" + address}, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	_, _, err := w.fetch(t, p, abi.FetchRequest{URL: "http://" + address}, nil)
	checkCode(t, err, abi.CodeUnavailable, "")
}

// TestConnectionsAreOfOneClass: requests of a class share a connection, those of two do not.
func TestConnectionsAreOfOneClass(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })
	w := newWorld(t, Config{AllowLoopback: []string{address}})
	p := policy(t, "http://"+address)
	ask := func(class string) string {
		r, err := w.Do(t.Context(), class, p, abi.FetchRequest{URL: "http://" + address}, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.ReadAll(0)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	a := ask("a")
	if again := ask("a"); again != a {
		t.Errorf("the connection was not kept: %s, then %s", a, again)
	}
	if b := ask("b"); b == a {
		t.Error("two classes share a connection")
	}
	// The policy is asked for a connection that is open, too.
	_, err := w.Do(t.Context(), "a", policy(t, "other.example"), abi.FetchRequest{URL: "http://" + address}, nil)
	checkCode(t, err, abi.CodeEgressDenied, "not allowed")
}

// TestClassesAreForgotten: names of classes cost nothing for ever.
func TestClassesAreForgotten(t *testing.T) {
	w := newWorld(t, Config{})
	for i := range 3 * w.classes.idle {
		_, leave, err := w.classes.enter(t.Context(), fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		leave()
	}
	if n := len(w.classes.named); n > w.classes.idle {
		t.Errorf("%d classes are kept, want at most %d", n, w.classes.idle)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []Config{{MaxBody: -1}, {AllowLoopback: []string{"127.0.0.1"}}, {AllowLoopback: []string{"a b:80"}}, {AllowLoopback: []string{"*.example.com:80"}}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
