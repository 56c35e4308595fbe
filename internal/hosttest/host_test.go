package hosttest

import (
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	playRole()
	os.Exit(Main(m.Run))
}

// A host comes back on its data and at its address however it ended, and one that cannot start says why.
func TestHostComesBack(t *testing.T) {
	h := New(t, t.TempDir())
	h.Kill() // of none
	t.Cleanup(h.Kill)
	h.Listen = FreeAddr(t)
	h.Start()
	first := h.Process
	first.Kill()
	if !first.Ended() || first.Ready() {
		t.Errorf("after a kill: ended %v, ready %v", first.Ended(), first.Ready())
	}
	h.Start()
	if h.Ended() || !first.Ready() || h.Addr() != h.Listen {
		t.Errorf("after a start: ended %v, ready %v, at %s, want %s", h.Ended(), first.Ready(), h.Addr(), h.Listen)
	}
	if exit := h.Stop(); exit != 0 {
		t.Errorf("stopped with %d: %s", exit, h.Printed())
	}
	h.Args = []string{"--no-such-flag"}
	h.Begin()
	if err := h.AwaitReady(); err == nil || !strings.Contains(err.Error(), "the process ended: ") || !strings.Contains(err.Error(), "--no-such-flag") {
		t.Errorf("a wrong flag: %v", err)
	}
	if printed, exit := h.TryRun("no-such-command"); exit == 0 || printed == "" {
		t.Errorf("a wrong command: %d, %q", exit, printed)
	}
}
