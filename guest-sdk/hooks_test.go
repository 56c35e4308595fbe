package guest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/memhost"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// life is what the actor life keeps: the story of its hooks.
type life struct {
	Story []string
	Sum   int
}

type lifeCtx = guest.Ctx[life]

// cache is the scratch data of life.
type cache struct{ hits int }

func tell(c *lifeCtx, format string, args ...any) error {
	c.State.Story = append(c.State.Story, fmt.Sprintf(format, args...))
	return nil
}

var _ = guest.Actor("life", guest.Def[life]{
	Create:  func(c *lifeCtx) (life, error) { return life{Story: []string{"create"}}, nil },
	Vars:    func(c *lifeCtx) (any, error) { return &cache{}, tell(c, "vars") },
	Wake:    func(c *lifeCtx, w guest.Wake) error { return tell(c, "wake %s", w.Cause) },
	Sleep:   func(c *lifeCtx) error { return tell(c, "sleep") },
	Destroy: func(c *lifeCtx) error { c.Log().Infof("destroy"); return errors.New("too late") },
	Upgrade: func(c *lifeCtx, u guest.Upgrade) error { return tell(c, "upgrade %d to %d", u.From, u.To) },
	Actions: guest.Actions{
		"story":   guest.Action0(func(c *lifeCtx) ([]string, error) { return c.State.Story, nil }),
		"hit":     guest.Action0(func(c *lifeCtx) (int, error) { v := guest.VarsOf[*cache](c); v.hits++; return v.hits, nil }),
		"sleep":   guest.Do0(func(c *lifeCtx) error { return c.Sleep() }),
		"end":     guest.Do0(func(c *lifeCtx) error { return c.DestroySelf() }),
		"gas":     guest.Action0(func(c *lifeCtx) (int64, error) { return c.GasLeft(), nil }),
		"whoAsks": guest.Action0(func(c *lifeCtx) ([]string, error) { return []string{c.Caller(), c.Sender(), c.Origin()}, nil }),
	},
})

func TestLife(t *testing.T) {
	a := guesttest.New(t, "life", guesttest.Options{})
	var hits int
	a.MustCall(&hits, "hit")
	a.MustCall(&hits, "hit")
	if hits != 2 {
		t.Errorf("vars last %d turns, want 2", hits)
	}
	a.MustCall(nil, "sleep")
	if !a.Asleep() {
		t.Error("the actor did not sleep")
	}
	a.MustCall(&hits, "hit")
	if hits != 1 || a.Asleep() {
		t.Errorf("after sleep hit = %d, asleep %v, want fresh vars", hits, a.Asleep())
	}
	if err := a.Upgrade(3, 2); err != nil {
		t.Error(err)
	}
	if err := a.Restart(); err != nil {
		t.Error(err)
	}
	var story []string
	a.MustCall(&story, "story")
	want := "create, vars, wake create, sleep, vars, wake sleep, upgrade 3 to 2, vars, wake upgrade, vars, wake restart"
	if got := strings.Join(story, ", "); got != want {
		t.Errorf("story\n%s, want\n%s", got, want)
	}

	a.SetGas(7)
	var gas int64
	if a.MustCall(&gas, "gas"); gas != 7 {
		t.Errorf("gas left %d, want 7", gas)
	}
	a.Caller, a.Sender = "", "friend"
	var who []string
	if a.MustCall(&who, "whoAsks"); !slices.Equal(who, []string{"", "friend", ""}) {
		t.Errorf("who asks: %q", who)
	}
	a.MustCall(nil, "end")
	if err := a.Call(nil, "story"); abi.CodeOf(err) != abi.CodeActorNotFound || !a.Destroyed() {
		t.Errorf("after the end: %v", err)
	}
	if !strings.Contains(a.Log(), "destroy") {
		t.Error("Destroy did not run")
	}
}

// TestVarsOfTwoActors holds that package guesttest keeps the scratch data of two actors apart.
func TestVarsOfTwoActors(t *testing.T) {
	a, b := guesttest.New(t, "life", guesttest.Options{}), guesttest.New(t, "life", guesttest.Options{})
	var hits int
	a.MustCall(&hits, "hit")
	b.MustCall(&hits, "hit")
	if b.MustCall(&hits, "hit"); hits != 2 {
		t.Errorf("the second hit of b is its hit %d", hits)
	}
}

// watched counts how often its state changed.
type watched struct {
	N, Changes int
}

var _ = guest.Actor("watched", guest.Def[watched]{
	StateChange: func(c *guest.Ctx[watched]) error {
		if c.State.N < 0 {
			return guest.UserError("negative", "no")
		}
		c.State.Changes++
		return c.Broadcast("changed", c.State.N)
	},
	BeforeActionResponse: func(c *guest.Ctx[watched], action string, args []json.RawMessage, result any) (any, error) {
		switch n, ok := result.(int); {
		case ok && n == 13:
			return nil, errors.New("unlucky")
		case ok:
			return fmt.Sprintf("%s%s = %d", action, args, n), nil
		}
		return result, nil
	},
	Actions: guest.Actions{
		"set": guest.Action(func(c *guest.Ctx[watched], n int) (int, error) { c.State.N = n; return n, nil }),
		"nop": guest.Do0(func(c *guest.Ctx[watched]) error { return nil }),
	},
})

func TestStateChangeAndResponse(t *testing.T) {
	a := guesttest.New(t, "watched", guesttest.Options{})
	var got string
	a.MustCall(&got, "set", 5)
	if got != "set[5] = 5" {
		t.Errorf("result %q", got)
	}
	a.MustCall(nil, "set", 5)
	a.MustCall(nil, "nop")
	if err := a.Call(nil, "set", -1); !errors.Is(err, guest.UserError("negative", "")) {
		t.Errorf("a refused change: %v", err)
	}
	if err := a.Call(nil, "set", 13); !errors.Is(err, guesttest.ErrHidden) {
		t.Errorf("a refused result: %v", err)
	}
	a.MustCall(nil, "set", 6)
	var s watched
	if a.State(&s); s != (watched{6, 2}) {
		t.Errorf("state %+v, want two changes", s)
	}
	if e := a.Events(); len(e) != 2 {
		t.Errorf("events %v, want one for each change", e)
	}
}

// TestHooksCostNothing holds that a turn without hooks asks the host for nothing that it did not ask
// for before there were any.
func TestHooksCostNothing(t *testing.T) {
	h := newHost()
	run(t, h, &abi.Turn{Kind: abi.KindCreate, Actor: "probe"})
	turn := &abi.Turn{Kind: abi.KindAction, Actor: "probe", Name: "none"}
	run(t, h, turn)
	c := &counting{Host: h}
	hostcall.Current = c
	if _, err := h.Run(turn, func() error { hostcall.Turn(); return nil }); err != nil {
		t.Fatal(err)
	}
	if c.calls != 2 {
		t.Errorf("an action that does nothing called the host %d times, want input and output", c.calls)
	}
}

// counting counts the calls of operations that every turn might make.
type counting struct {
	*memhost.Host
	calls int
}

func (c *counting) Input() []byte                   { c.calls++; return c.Host.Input() }
func (c *counting) Output(b []byte)                 { c.calls++; c.Host.Output(b) }
func (c *counting) StateGet() ([]byte, bool, error) { c.calls++; return c.Host.StateGet() }
func (c *counting) StateSet(b []byte) error         { c.calls++; return c.Host.StateSet(b) }
func (c *counting) ConnList() ([]byte, error)       { c.calls++; return c.Host.ConnList() }
func (c *counting) Self() ([]byte, error)           { c.calls++; return c.Host.Self() }
func (c *counting) Now() (int64, error)             { c.calls++; return c.Host.Now() }

func TestManifestFollowsTheDefinition(t *testing.T) {
	manifest := func() abi.Manifest {
		h := newHost()
		hostcall.Current = h
		hostcall.Manifest()
		var m abi.Manifest
		if err := json.Unmarshal(h.LastOutput(), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}()
	tests := []struct {
		actor string
		want  abi.ActorManifest
	}{
		{"stateless", abi.ActorManifest{}},
		{"life", abi.ActorManifest{Hooks: []abi.Hook{abi.HookWake, abi.HookSleep, abi.HookDestroy, abi.HookUpgrade}}},
		{"watched", abi.ActorManifest{}},
		{"club", abi.ActorManifest{
			Hooks:   []abi.Hook{abi.HookConnect, abi.HookDisconnect, abi.HookOpen, abi.HookMessage, abi.HookClose, abi.HookSubscribe},
			Origins: []string{"https://club.example"},
		}},
		{"web", abi.ActorManifest{Hooks: []abi.Hook{abi.HookRequest, abi.HookGone}}},
		{"jobs", abi.ActorManifest{
			Hooks:   []abi.Hook{abi.HookPublish},
			Queues:  map[string]abi.QueueManifest{"one": {}, "quiet": {}, "later": {}, "many": {Batch: 3}},
			Options: abi.Options{ActionTimeout: 30_000, MaxQueueSize: 10}, CheckArgs: true,
		}},
	}
	for _, tt := range tests {
		got := manifest.Actors[tt.actor]
		if (got.Params != nil) != (tt.actor == "club") {
			t.Errorf("%s: the schema of connection params is %s", tt.actor, got.Params)
		}
		got.Actions, got.Events, got.Key, got.Params = nil, nil, nil, nil
		for name, q := range got.Queues {
			if q.Body == nil {
				t.Errorf("%s: the queue %s has no schema", tt.actor, name)
			}
			q.Body, q.Result = nil, nil
			got.Queues[name] = q
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v\nwant %+v", tt.actor, got, tt.want)
		}
	}
	slices.Sort(manifest.Egress)
	if !slices.Equal(manifest.Egress, []string{"api.example.com", "model.example.com"}) || !manifest.Uploads {
		t.Errorf("egress %v, uploads %v", manifest.Egress, manifest.Uploads)
	}
}

// TestOptionsAreComplete holds Options to the manifest's.
func TestOptionsAreComplete(t *testing.T) {
	mine, theirs := reflect.TypeFor[guest.Options](), reflect.TypeFor[abi.Options]()
	for i := range theirs.NumField() {
		name := theirs.Field(i).Name
		f, ok := mine.FieldByName(name)
		if !ok {
			t.Errorf("guest.Options has no %s", name)
			continue
		}
		if ms := theirs.Field(i).Type.Kind() == reflect.Int64; ms != (f.Type == reflect.TypeFor[time.Duration]()) {
			t.Errorf("%s is a %v", name, f.Type)
		}
	}
	if mine.NumField() != theirs.NumField() {
		t.Errorf("guest.Options has %d fields, the manifest %d", mine.NumField(), theirs.NumField())
	}
}

func TestActorPanicsOnWrongHooks(t *testing.T) {
	tests := []struct {
		name, want string
		def        guest.Def[state]
	}{
		{name: "before-connect of another state", want: "its BeforeConnect is a func(*guest.Ctx[int]", def: guest.Def[state]{BeforeConnect: func(*guest.Ctx[int]) error { return nil }}},
		{name: "before-connect with a result", want: "P) error", def: guest.Def[state]{BeforeConnect: func(*ctx) (int, error) { return 0, nil }}},
		{name: "connection state without one", want: "P) (T, error)", def: guest.Def[state]{ConnState: func(*ctx) error { return nil }}},
		{name: "connection state is no func", want: "its ConnState is a int", def: guest.Def[state]{ConnState: 1}},
		{name: "queue of another state", want: `queue "q" is for another state`, def: guest.Def[state]{
			Queues: guest.Queues{"q": guest.QueueDo(func(*guest.Ctx[int], *guest.Message[int]) error { return nil })}}},
		{name: "nil queue", want: `queue "q" has no handler`, def: guest.Def[state]{Queues: guest.Queues{"q": nil}}},
		{name: "task of another state", want: `task "t" is for another state`, def: guest.Def[state]{
			Tasks: guest.Tasks{"t": guest.Task(func(*guest.Ctx[int], int, *guest.Result) error { return nil })}}},
		{name: "rule for a queue that there is none of", want: `CanPublish names a queue "jops"`, def: guest.Def[state]{
			CanPublish: map[string]func(*ctx) (bool, error){"jops": func(*ctx) (bool, error) { return false, nil }}}},
		{name: "rule for an event that is not declared", want: `CanSubscribe names an event "secrt"`, def: guest.Def[state]{
			Events:       []string{"secret"},
			CanSubscribe: map[string]func(*ctx) (bool, error){"secrt": func(*ctx) (bool, error) { return false, nil }}}},
		{name: "nil task", want: `task "t" has no handler`, def: guest.Def[state]{Tasks: guest.Tasks{"t": nil}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want %q", got, tt.want)
				}
			}()
			guest.Actor("wrong", tt.def)
		})
	}
}

var _ = guest.Actor("heir", guest.Def[string]{
	Create: func(c *guest.Ctx[string]) (string, error) { return c.Sender(), nil },
})

// TestCreatedByAnActor holds that Create sees who makes the actor.
func TestCreatedByAnActor(t *testing.T) {
	var by string
	guesttest.New(t, "heir", guesttest.Options{Sender: "parent"}).State(&by)
	if by != "parent" {
		t.Errorf("made by %q, want parent", by)
	}
}
