package sandbox

import (
	"context"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// busyWorld is a world in which what turns ask for besides rows is done, too.
type busyWorld struct{ *world }

func (busyWorld) SetConnState(string, []byte) error         { return nil }
func (busyWorld) SocketSend(string, []byte, bool) error     { return nil }
func (busyWorld) Reply(uint64, []byte) error                { return nil }
func (busyWorld) StartTimer(int64, []byte) (string, error)  { return "task", nil }
func (busyWorld) StartFetch(_, _, _ []byte) (string, error) { return "task", nil }
func (busyWorld) SetSchedule(_, _ []byte) (string, error)   { return "schedule", nil }
func (busyWorld) CreateActor(_, _ []byte) ([]byte, error) {
	return []byte(`{"id":"x","name":"a","key":["b"]}`), nil
}
func (busyWorld) Send([]byte, string, []byte) error { return nil }

var (
	warmConn   = []byte(`{"id":"c","kind":"events","params":{"name":"ann"},"subject":"ann"}`)
	warmSocket = []byte(`{"id":"s","kind":"socket","params":{"name":"ann"}}`)
	warmHead   = []byte(`{"method":"GET","url":"/a?b=c","header":{"user-agent":["u"]}}`)
	warmTask   = []byte(`{"id":"t","kind":"fetch","attempt":1}`)
	warmReply  = abi.AppendReply(nil, &abi.Reply{Result: []byte("4"), Head: []byte(`{"status":200}`)})
)

// firstTurns are turns that an actor may begin with, by guest. The first of each actor's creates it.
var firstTurns = []struct {
	dir, actor string
	turns      []abi.Turn
}{
	{"examples/wasm/counter", "counter", []abi.Turn{
		{Kind: abi.KindCreate, Args: []byte(`{"start":4}`)}, {Name: "increment", Args: []byte("[1]")}, {Name: "get"}, {Name: "nop"},
	}},
	{"guest-sdk/testguests/full", "full", []abi.Turn{
		{Kind: abi.KindCreate}, {Name: "note", Args: []byte(`["a"]`)}, {Name: "me", Conn: warmConn},
		{Name: "startTimer", Args: []byte(`[1,"v"]`)}, {Name: "startFetch", Args: []byte(`["https://api.example.com",false,"v"]`)},
		{Name: "after", Args: []byte(`[1000,"note",["later"]]`)}, {Name: "send", Args: []byte(`[{"name":"a","key":["b"]},"note",["a"]]`)},
		{Name: "create", Args: []byte(`[{"name":"a","key":["b"]},"input"]`)},
		{Kind: abi.KindTask, Context: []byte("note\x00\"v\""), Head: warmTask, Args: warmReply},
		{Kind: abi.KindQueue, Name: "each", Head: []byte(`[{"id":"m","sent":5,"attempt":1,"request":4}]`), Args: []byte(`["x"]`)},
		{Kind: abi.KindRequest, Head: warmHead},
	}},
	{"guest-sdk/testguests/full", "guarded", []abi.Turn{
		{Kind: abi.KindCreate}, {Kind: abi.KindWake, Head: []byte(`{"cause":"create","generation":1}`)},
		{Kind: abi.KindConnect, Conn: warmConn, Head: warmHead}, {Kind: abi.KindSubscribe, Name: "secret", Conn: warmConn},
		{Kind: abi.KindOpen, Conn: warmSocket, Head: warmHead}, {Kind: abi.KindMessage, Conn: warmSocket, Head: []byte(`{"text":true}`), Args: []byte("hi")},
		{Kind: abi.KindDisconnect, Conn: warmConn, Head: []byte(`{"code":1001}`)}, {Kind: abi.KindUpgrade, Head: []byte(`{"from":1,"to":2}`)},
	}},
}

// growthGas is more than a guest of Go uses when its heap is full and its memory grows, which may be in any turn.
const growthGas = 300_000

// The first turn of each kind costs an actor little more than the second: what is to be done once was done in the start-up.
func TestFirstTurnsAreWarm(t *testing.T) {
	s := open(t, t.TempDir())
	for _, g := range firstTurns {
		v := acquire(t, s, built(g.dir)(t))
		for n, turn := range g.turns {
			w := newWorld()
			i := newInstance(t, v, w)
			w.begin(nil)
			if n > 0 {
				busyTurn(t, i, w, g.actor, g.turns[0])
			}
			pages := i.mem.WasmPages()
			first := busyTurn(t, i, w, g.actor, turn)
			most := int64(0)
			if i.mem.WasmPages() > pages {
				most = growthGas
			}
			second := busyTurn(t, i, w, g.actor, turn)
			if most += second * 3 / 2; first > most {
				t.Errorf("%s: the first turn of kind %d %s uses %d gas, the second %d", g.actor, turn.Kind, turn.Name, first, second)
			}
			t.Logf("%s: turn of kind %d %s: %d gas, then %d", g.actor, turn.Kind, turn.Name, first, second)
			i.Close()
		}
	}
}

// A new actor of the counter costs little, and so does one that wakes without its memory.
func TestCreateIsCheap(t *testing.T) {
	s := open(t, t.TempDir())
	v := acquire(t, s, built("examples/wasm/counter")(t))
	for _, tt := range []struct {
		name string
		rows map[string][]byte
		turn abi.Turn
		most int64
	}{
		{"create", nil, abi.Turn{Kind: abi.KindCreate}, 20_000},
		{"create with input", nil, abi.Turn{Kind: abi.KindCreate, Args: []byte(`{"start":4}`)}, 55_000},
		{"wake", map[string][]byte{"s": []byte(`{"count":4}`)}, abi.Turn{Name: "get", Reload: true}, 60_000},
	} {
		w := newWorld()
		i := newInstance(t, v, w)
		w.begin(tt.rows)
		if gas := busyTurn(t, i, w, "counter", tt.turn); gas > tt.most {
			t.Errorf("%s uses %d gas, want at most %d", tt.name, gas, tt.most)
		} else {
			t.Logf("%s: %d gas", tt.name, gas)
		}
		i.Close()
	}
	if r := v.Report(); r.StartGas > 3_000_000 {
		t.Errorf("the start-up uses %d gas", r.StartGas)
	}
}

// busyTurn runs a turn in a busy world, an action unless it says otherwise, and returns its gas.
func busyTurn(t *testing.T, i *Instance, w *world, actor string, turn abi.Turn) int64 {
	t.Helper()
	if turn.Actor = actor; turn.Kind == 0 {
		turn.Kind = abi.KindAction
	}
	c := hostfuncs.NewCall(context.Background(), busyWorld{w}, &hostfuncs.Kernel{}, i, abi.AppendTurn(nil, &turn))
	_, err := i.Call(c, abi.ExportTurn)
	must(t, err)
	if r, err := abi.ParseReply(c.Output()); err != nil || r.Status != abi.StatusOK {
		t.Fatalf("%s: turn of kind %d %s: %+v, %v", actor, turn.Kind, turn.Name, r, err)
	}
	return i.Used()
}
