package load

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// Requests leave at their rate though nothing is answered; what finds no connection is missed.
func TestOpenLoop(t *testing.T) {
	var came atomic.Int64
	all := make(chan struct{})
	addr, request := answer(t, func(w http.ResponseWriter, _ *http.Request) {
		if came.Add(1) == 20 {
			close(all)
		}
		<-all
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	o := Open{Addr: addr, Conns: 20, Rate: 400, Requests: [][]byte{request}, Duration: 100 * time.Millisecond}
	r, err := o.Run(t.Context())
	if err != nil || r.Broken > 0 {
		t.Fatal(err, r.First)
	}
	if len(r.Answers)+r.Missed != 40 || len(r.Answers) < 20 {
		t.Errorf("%d answers and %d missed, want 40 together", len(r.Answers), r.Missed)
	}
	for _, a := range r.Answers {
		if a.Status != 503 || a.Took <= 0 || a.Sent < 0 || a.Sent > o.Duration {
			t.Errorf("answer %+v", a)
		}
	}
}

// A connection that breaks is counted, and another one takes its place.
func TestOpenLoopBreaks(t *testing.T) {
	var came atomic.Int64
	addr, request := answer(t, func(w http.ResponseWriter, _ *http.Request) {
		if came.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
	})
	r, err := Open{Addr: addr, Conns: 1, Rate: 100, Requests: [][]byte{request}, Duration: 200 * time.Millisecond}.Run(t.Context())
	if err != nil || r.Broken != 1 || r.First == nil || len(r.Answers) == 0 {
		t.Errorf("%d answers, %d broken: %v %v", len(r.Answers), r.Broken, r.First, err)
	}
	if _, err := (Open{Addr: addr, Conns: 0, Rate: 1, Requests: [][]byte{request}, Duration: 1}).Run(t.Context()); err == nil {
		t.Error("no connections, and no error")
	}
}
