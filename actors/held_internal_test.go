package actors

import "testing"

// The sender of a queue message that was answered in a turn which then trapped waits on: the message is tried again.
func TestHeldRequestIsNotLost(t *testing.T) {
	for _, held := range []bool{false, true} {
		var o openRequests
		r := &request{result: make(chan result, 1), held: held}
		o.number(r)
		o.keep(r)
		back := o.take(r)
		o.lose(errReplyLost)
		back()
		if r.isAnswered() == held {
			t.Errorf("held %v: answered %v", held, !held)
		}
	}
}
