package actors_test

import (
	"encoding/json"
	"path"
	"testing"
)

// A schedule that the bindings of a language make runs in a turn of its own.
func TestPlainBindingsSchedule(t *testing.T) {
	for _, guest := range notes {
		t.Run(path.Base(guest), func(t *testing.T) {
			s, id := openNotes(t, "", guest)
			events, err := s.Host.FollowEvents(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			var schedule string
			out, err := s.Call(id, "remind", "bread")
			if err != nil || json.Unmarshal(out, &schedule) != nil || schedule == "" {
				t.Fatalf("remind is %s, %v", out, err)
			}
			if ev := <-events; ev.Name != "added" || string(ev.Args) != `[1]` {
				t.Errorf("event %s%s, want added[1]", ev.Name, ev.Args)
			}
			wantCall(t, s, id, `"bread"`, "list")
		})
	}
}
