package actors_test

import (
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// What a guest writes into rows of ours is nested so little that they can be read again.
func TestDeepDocuments(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script", "a")
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	input := `{"name":"script","key":["b"],"create":true,"input":` + deep[1:len(deep)-1] + `}`
	for _, st := range []actorstest.Step{
		step("schedule_set", map[string]any{"after": 1_000_000, "name": "n", "action": "echo"}, deep),
		step("send", to(id), "echo", deep),
		step("queue_send", to(id), "jobs", deep),
		step("queue_send", "", "jobs", deep),
		step("task_call", to(id), "echo", deep, ""),
		step("task_call", input, "echo", "[]", ""),
	} {
		if code := lastCode(t, s, id, st); code != abi.CodeInvalidArgument && code != abi.CodeInvalidSchedule {
			t.Errorf("%s: %v", st.Op, code)
		}
	}
	if n := rows(t, s, id)["g"]; n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if out, err := once(s, id, "ada", "k", step("return", deep)); abi.CodeOf(err) != abi.CodeGuestInternal {
		t.Errorf("a deep result: %.20s, %v", out, err)
	}
	shallow := deep[1000 : len(deep)-1000]
	s.MustDo(id, step("schedule_set", map[string]any{"after": 1_000_000, "name": "n", "action": "echo"}, shallow), step("schedule_get", "n"))
	if out, err := once(s, id, "ada", "k", step("return", shallow)); err != nil || out != shallow {
		t.Errorf("a result: %.20s, %v", out, err)
	}
	if out, err := once(s, id, "ada", "k", step("return", shallow)); err != nil || out != shallow {
		t.Errorf("and again: %.20s, %v", out, err)
	}
}
