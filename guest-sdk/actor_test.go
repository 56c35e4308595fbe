package guest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/memhost"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

type state struct {
	Count int `json:"count"`
}

type input struct {
	Start int  `json:"start"`
	Fail  bool `json:"fail"`
}

type ctx = guest.Ctx[state]

func makeProbe(c *ctx, in input) (state, error) {
	if in.Fail {
		return state{}, guest.UserError("refused", "not today")
	}
	return state{Count: in.Start}, c.KV().Put("created", nil)
}

// bare has the same Create as it is.
var _ = guest.Actor("bare", guest.Def[state]{Create: makeProbe})

// runs counts the runs of an action, to see which calls reach it.
var runs int

var _ = guest.Actor("probe", guest.Def[state]{
	Create: guest.Create(makeProbe),
	Actions: guest.Actions{
		"increment": guest.Action(func(c *ctx, by int) (int, error) {
			c.State.Count += by
			return c.State.Count, c.Broadcast("count", c.State.Count)
		}),
		"get":  guest.Action0(func(c *ctx) (int, error) { return c.State.Count, nil }),
		"none": guest.Do0(func(c *ctx) error { return nil }),
		"fail": guest.Do2(func(c *ctx, how string, count int) error {
			c.State.Count = count
			_ = c.KV().Put("trace", []byte("x"))
			_ = c.Broadcast("trace")
			switch how {
			case "user":
				return fmt.Errorf("wrapped: %w", guest.UserError("refused", "no").With(map[string]int{"limit": 3}))
			case "host":
				return fmt.Errorf("store: %w", c.KV().Put(strings.Repeat("k", abi.MaxKVKey+1), nil))
			case "metadata":
				return guest.UserError("refused", "no").With(func() {})
			}
			return errors.New("the secret is 42")
		}),
		"result": guest.Action0(func(c *ctx) (func(), error) { c.State.Count = 99; return func() {}, nil }),
		"four": guest.Action4(func(c *ctx, s string, n float64, list []int, opt *bool) (string, error) {
			runs++
			return fmt.Sprintf("%s %v %v %v", s, n, list, opt != nil && *opt), nil
		}),
		"struct": guest.Do(func(c *ctx, in input) error { runs++; return nil }),
		"three":  guest.Do3(func(c *ctx, a, b, d int) error { return nil }),
		"who":    guest.Action0(func(c *ctx) ([]string, error) { return append([]string{c.Caller(), c.ID()}, c.Key()...), nil }),
	},
	Events: []string{"count"},
	Key:    []string{"room"},
})

var _ = guest.Actor("stateless", guest.Def[struct{}]{
	Actions: guest.Actions{"ping": guest.Action0(func(c *guest.Ctx[struct{}]) (string, error) { return "pong", nil })},
})

func TestActions(t *testing.T) {
	a := guesttest.New(t, "probe", guesttest.Options{Input: input{Start: 5}, Key: []string{"lobby"}, Caller: "ann"})
	var n int
	a.MustCall(&n, "increment", 3)
	a.MustCall(&n, "increment", -1)
	if n != 7 {
		t.Errorf("increment = %d, want 7", n)
	}
	want := []guesttest.Event{{Name: "count", Args: []any{8.0}}, {Name: "count", Args: []any{7.0}}}
	if got := a.Events(); !reflect.DeepEqual(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	var who []string
	a.MustCall(&who, "who")
	if want := []string{"ann", "test-probe", "lobby"}; !reflect.DeepEqual(who, want) {
		t.Errorf("who = %q, want %q", who, want)
	}
	if err := a.Call(nil, "nothing"); !errors.Is(err, guesttest.ErrNoAction) {
		t.Errorf("unknown action: %v", err)
	}
}

func TestCreate(t *testing.T) {
	tests := []struct {
		name, doc string
		status    abi.Status
		state     string
	}{
		{name: "no input", status: abi.StatusOK, state: `{"count":0}`},
		{name: "input", doc: `{"start":4,"more":true}`, status: abi.StatusOK, state: `{"count":4}`},
		{name: "wrong type", doc: `{"start":"4"}`, status: abi.StatusUser},
		{name: "not JSON", doc: `{`, status: abi.StatusUser},
		{name: "refused", doc: `{"fail":true}`, status: abi.StatusUser},
	}
	for _, actor := range []string{"probe", "bare"} {
		for _, tt := range tests {
			t.Run(actor+"/"+tt.name, func(t *testing.T) {
				h := newHost()
				r := run(t, h, &abi.Turn{Kind: abi.KindCreate, Actor: actor, Args: []byte(tt.doc)})
				if r.Status != tt.status || string(h.State) != tt.state {
					t.Errorf("status %d %s, state %q, want %d, %q", r.Status, r.Message, h.State, tt.status, tt.state)
				}
				if _, made := h.KV["created"]; made != (tt.status == abi.StatusOK) {
					t.Errorf("Create's item stored: %v", made)
				}
			})
		}
	}
}

func TestArguments(t *testing.T) {
	tests := []struct {
		name, action, args string
		want               string // result, or part of the message of invalid_arguments
		ok                 bool
	}{
		{name: "all", action: "four", args: `["a,\"]", 1.5, [1, 2], true]`, want: `"a,\"] 1.5 [1 2] true"`, ok: true},
		{name: "optional left out", action: "four", args: ` [ "a" ,2,[]] `, want: `"a 2 [] false"`, ok: true},
		{name: "null where null can be", action: "four", args: `["a",2,null,null]`, want: `"a 2 [] false"`, ok: true},
		{name: "too few", action: "four", args: `["a",2]`, want: "four takes 3 to 4 arguments, got 2"},
		{name: "too many", action: "four", args: `["a",2,[],true,5]`, want: "takes 3 to 4 arguments, got 5"},
		{name: "none for one", action: "increment", args: ``, want: "increment takes 1 arguments, got 0"},
		{name: "one for none", action: "none", args: `[1]`, want: "none takes 0 arguments, got 1"},
		{name: "nothing is an empty list", action: "none", args: ``, ok: true},
		{name: "no list", action: "increment", args: `{"by":1}`, want: "not a JSON list"},
		{name: "open list", action: "increment", args: `[[1]`, want: "not a JSON list"},
		{name: "second wrong", action: "four", args: `["a","2",[]]`, want: "four: argument 2: want float64, got string"},
		{name: "null for a string", action: "four", args: `[null,2,[]]`, want: "argument 1: want string, got null"},
		{name: "element wrong", action: "four", args: `["a",2,["x"]]`, want: "argument 3: want int, got string"},
		{name: "field wrong", action: "struct", args: `[{"start":true}]`, want: "argument 1: field start: want int, got bool"},
		{name: "fraction for an int", action: "increment", args: `[1.5]`, want: "argument 1: want int, got number 1.5"},
		{name: "not JSON", action: "increment", args: `[zwölf]`, want: "argument 1: invalid character"},
		{name: "empty element", action: "three", args: `[1,,2]`, want: "argument 2: unexpected end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost()
			runs = 0
			r := run(t, h, &abi.Turn{Kind: abi.KindAction, Actor: "probe", Name: tt.action, Args: []byte(tt.args)})
			if tt.ok {
				if r.Status != abi.StatusOK || string(r.Result) != tt.want {
					t.Errorf("status %d %s, result %s, want %s", r.Status, r.Message, r.Result, tt.want)
				}
				return
			}
			if r.Status != abi.StatusUser || r.Name != "invalid_arguments" || !strings.Contains(r.Message, tt.want) {
				t.Errorf("status %d, %s: %q, want invalid_arguments with %q", r.Status, r.Name, r.Message, tt.want)
			}
			if runs != 0 {
				t.Error("the action was run")
			}
		})
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		how   string
		check func(t *testing.T, err error)
	}{
		{"user", func(t *testing.T, err error) {
			var e *guest.Error
			if !errors.As(err, &e) || e.Code != "refused" || e.Message != "no" || !reflect.DeepEqual(e.Metadata, map[string]any{"limit": 3.0}) {
				t.Errorf("error %#v", err)
			}
		}},
		{"host", func(t *testing.T, err error) {
			if abi.CodeOf(err) != abi.CodeKeyTooLarge || !strings.Contains(err.Error(), "2049 bytes") {
				t.Errorf("error %v", err)
			}
		}},
		{"hidden", func(t *testing.T, err error) {
			if !errors.Is(err, guesttest.ErrHidden) || !strings.Contains(err.Error(), "the secret is 42") {
				t.Errorf("error %v", err)
			}
		}},
		{"metadata", func(t *testing.T, err error) {
			if !errors.Is(err, guesttest.ErrHidden) || !strings.Contains(err.Error(), "metadata of error refused") {
				t.Errorf("error %v", err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.how, func(t *testing.T) {
			a := guesttest.New(t, "probe", guesttest.Options{Input: input{Start: 1}})
			tt.check(t, a.Call(nil, "fail", tt.how, 50))
			var n int
			a.MustCall(&n, "get")
			if _, traced := a.KV()["trace"]; n != 1 || traced || len(a.Events()) > 0 {
				t.Errorf("the failed turn left something: count %d, KV %v", n, a.KV())
			}
		})
	}
	t.Run("result that is no JSON", func(t *testing.T) {
		a := guesttest.New(t, "probe", guesttest.Options{})
		if err := a.Call(nil, "result"); !errors.Is(err, guesttest.ErrHidden) {
			t.Errorf("error %v", err)
		}
		var n int
		a.MustCall(&n, "get")
		if n != 0 {
			t.Errorf("the failed turn left count %d", n)
		}
	})
}

// TestStateIsSavedOnceChanged holds the rules of saving: only what changed, and only when it does.
func TestStateIsSavedOnceChanged(t *testing.T) {
	h := newHost()
	call := func(name, args string, reload bool) abi.Reply {
		t.Helper()
		return run(t, h, &abi.Turn{Kind: abi.KindAction, Actor: "probe", Name: name, Args: []byte(args), Reload: reload})
	}
	run(t, h, &abi.Turn{Kind: abi.KindCreate, Actor: "probe"})
	if h.Writes != 1 {
		t.Fatalf("create wrote the state %d times", h.Writes)
	}
	call("get", "", false)
	call("increment", "[0]", false)
	if h.Writes != 1 {
		t.Errorf("actions that change nothing wrote the state, %d times in all", h.Writes)
	}
	call("increment", "[2]", false)
	if h.Writes != 2 || string(h.State) != `{"count":2}` {
		t.Errorf("%d writes, state %s", h.Writes, h.State)
	}

	// What the host has changes only with a reload, which the guest is told of.
	h.State = []byte(`{"count":40}`)
	if r := call("get", "", false); string(r.Result) != "2" {
		t.Errorf("without reload get = %s, want 2", r.Result)
	}
	if r := call("get", "", true); string(r.Result) != "40" {
		t.Errorf("after reload get = %s, want 40", r.Result)
	}
	if h.Writes != 2 {
		t.Error("a reload wrote the state")
	}

	// A state that does not fit is an error of the guest, not a fresh start.
	h.State = []byte(`{"count":"many"}`)
	if r := call("get", "", true); r.Status != abi.StatusHidden || !strings.Contains(r.Message, "stored state") {
		t.Errorf("status %d, %s", r.Status, r.Message)
	}
}

func TestDispatch(t *testing.T) {
	tests := []struct {
		name string
		turn abi.Turn
		want abi.Status
		code abi.Code
	}{
		{name: "stateless", turn: abi.Turn{Kind: abi.KindAction, Actor: "stateless", Name: "ping"}, want: abi.StatusOK},
		{name: "unknown action", turn: abi.Turn{Kind: abi.KindAction, Actor: "probe", Name: "x"}, want: abi.StatusNoName},
		{name: "unknown actor", turn: abi.Turn{Kind: abi.KindAction, Actor: "x", Name: "get"}, want: abi.StatusHidden},
		{name: "unknown kind", turn: abi.Turn{Kind: 31, Actor: "probe"}, want: abi.StatusHost, code: abi.CodeNotSupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if r := run(t, newHost(), &tt.turn); r.Status != tt.want || r.Code != tt.code {
				t.Errorf("status %d, code %d, %s, want %d, %d", r.Status, r.Code, r.Message, tt.want, tt.code)
			}
		})
	}
}

func TestManifest(t *testing.T) {
	h := newHost()
	hostcall.Current = h
	hostcall.Manifest()
	var m abi.Manifest
	if err := json.Unmarshal(h.LastOutput(), &m); err != nil {
		t.Fatal(err)
	}
	probe := m.Actors["probe"]
	if m.ABI != abi.ABIVersion || m.Codec != abi.JSON || m.Actors["stateless"].Actions == nil || len(probe.Actions) != 9 ||
		!reflect.DeepEqual(probe.Events, []string{"count"}) || !reflect.DeepEqual(probe.Key, []string{"room"}) {
		t.Errorf("manifest %s", h.LastOutput())
	}
}

func TestActorPanicsOnWrongDefinitions(t *testing.T) {
	other := guest.Do0(func(c *guest.Ctx[int]) error { return nil })
	tests := []struct {
		name, actor, want string
		def               guest.Def[state]
	}{
		{name: "no name", want: "without a name"},
		{name: "taken", actor: "probe", want: "registered twice"},
		{name: "action of another state", actor: "a", def: guest.Def[state]{Actions: guest.Actions{"x": other}}, want: `action "x" takes a *guest.Ctx[int]`},
		{name: "nil action", actor: "a", def: guest.Def[state]{Actions: guest.Actions{"x": nil}}, want: "nil handler"},
		{name: "create of another state", actor: "a", def: guest.Def[state]{Create: func(*guest.Ctx[int]) (int, error) { return 0, nil }}, want: "its Create is a func"},
		{name: "create made of another state", actor: "a", def: guest.Def[state]{Create: guest.Create(func(*guest.Ctx[int], int) (int, error) { return 0, nil })}, want: "its Create takes a *guest.Ctx[int]"},
		{name: "create without error", actor: "a", def: guest.Def[state]{Create: func(c *ctx, in input) state { return state{} }}, want: "want func(*guest.Ctx["},
		{name: "create is no func", actor: "a", def: guest.Def[state]{Create: state{}}, want: "its Create is a guest_test.state"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want %q", got, tt.want)
				}
			}()
			guest.Actor(tt.actor, tt.def)
		})
	}
}

func newHost() *memhost.Host { return memhost.New(abi.Self{Name: "probe", Key: []string{}}) }

// run gives one turn to the registered actors; the first turn of a host should reload.
func run(t *testing.T, h *memhost.Host, turn *abi.Turn) abi.Reply {
	t.Helper()
	if hostcall.Current != h {
		hostcall.Current, turn.Reload = h, true
	}
	r, err := h.Run(turn, func() error { hostcall.Turn(); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}
