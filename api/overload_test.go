package api

import (
	"io"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// A busy host refuses work before it reads the body.
func TestBusyHostReadsNoBody(t *testing.T) {
	f := newFixture(t)
	f.actor("counter", "k")
	f.host.busy = &abi.Error{Code: abi.CodeHostBusy, Retry: 1500 * time.Millisecond}
	for _, path := range []string{"/gateway/counter/action/inc?rvt-method=get&rvt-key=k", "/gateway/counter/request/x?rvt-method=get&rvt-key=k"} {
		body, w := io.Pipe()
		r := f.request("POST", path, body)
		r.ContentLength = 1 << 20 // of which nothing comes
		a := f.send(r)
		w.Close()
		a.wantError(t, 503, "guard", "service_busy")
		if got := a.header.Get("Retry-After"); got != "2" {
			t.Errorf("%s: Retry-After %q, want 2", path, got)
		}
	}
	if len(f.host.calls)+len(f.host.raws) > 0 {
		t.Error("the actor was asked")
	}
}
