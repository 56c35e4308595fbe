package actors

import "testing"

// An actor that lends its instance while the host begins to drain still sleeps for it.
func TestLendingActorHearsOfADrain(t *testing.T) {
	a := &actor{h: &Host{draining: true}, mail: newMailbox()}
	a.flight = newFlight(a.mail.poke)
	a.mail.nudge()
	a.lend()
	if !a.mail.wasNudged() {
		t.Error("the nudge is lost")
	}
}
