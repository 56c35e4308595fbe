package guest

import (
	"reflect"
	"testing"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// The types below end the test when any of their methods runs, each by another way in which encoding/json finds it.
type (
	byValue   struct{ N int }
	byPointer struct{ N int }
	byText    string
	byZero    struct{ N int }
	knot      *knot
)

func (byValue) MarshalJSON() ([]byte, error)       { panic("MarshalJSON by value") }
func (*byValue) UnmarshalJSON([]byte) error        { panic("UnmarshalJSON by value") }
func (*byPointer) MarshalJSON() ([]byte, error)    { panic("MarshalJSON by pointer") }
func (*byPointer) UnmarshalJSON([]byte) error      { panic("UnmarshalJSON by pointer") }
func (byText) MarshalText() ([]byte, error)        { panic("MarshalText") }
func (*byText) UnmarshalText([]byte) error         { panic("UnmarshalText") }
func (byZero) IsZero() bool                        { panic("IsZero") }
func (rigged) String() string                      { panic("String") }
func (*Embedded) MarshalText() ([]byte, error)     { panic("MarshalText of what is embedded") }
func neverCalled[C, P, R any](C, P) (_ R, _ error) { panic("a function of the author's") }

// Embedded is exported, so that encoding/json looks into it.
type Embedded struct{ Deep byPointer }

type rigged struct {
	Value   byValue
	Pointer byPointer
	Text    byText `json:",omitempty"`
	Keys    map[byText]byValue
	Zero    byZero `json:",omitzero"`
	List    []byPointer
	Array   [2]byValue
	Self    *rigged
	Knot    knot
	Any     any
	Func    func()
	Chan    chan int
	Odd     map[[2]byText]int
	Named   struct{ *Embedded }
}

// None of an author's code runs while an actor is registered, nor is the host asked for anything: what the code relies on may be set up later.
func TestWarmRunsNothing(t *testing.T) {
	type c = *Ctx[rigged]
	defer func(h hostcall.Host) { hostcall.Current = h; delete(registry, "rigged") }(hostcall.Current)
	hostcall.Current = nil
	Actor("rigged", Def[rigged]{
		Create:        neverCalled[c, byValue, rigged],
		BeforeConnect: func(_ c, p map[byText]byValue) error { panic("BeforeConnect") },
		ConnState:     neverCalled[c, *byPointer, byZero],
		Actions: Actions{
			"value":   Action(neverCalled[c, []byValue, byText]),
			"pointer": Action(neverCalled[c, byPointer, []rigged]),
			"nothing": Action(neverCalled[c, chan int, func()]),
			"knot":    Action(neverCalled[c, knot, any]),
		},
		Queues: Queues{"q": Queue(neverCalled[c, *Message[[1]byValue], *byText])},
		Tasks:  Tasks{"t": Task(func(_ c, v struct{ V byPointer }, _ *Result) error { panic("task") })},
		Egress: []string{"example.com"},
	})
	for _, want := range []reflect.Type{
		reflect.TypeFor[byValue](), reflect.TypeFor[rigged](), reflect.TypeFor[map[byText]byValue](), reflect.TypeFor[*byPointer](), reflect.TypeFor[byZero](),
		reflect.TypeFor[[]byValue](), reflect.TypeFor[byText](), reflect.TypeFor[byPointer](), reflect.TypeFor[[]rigged](), reflect.TypeFor[chan int](),
		reflect.TypeFor[[1]byValue](), reflect.TypeFor[*byText](), reflect.TypeFor[struct{ V byPointer }](), reflect.TypeFor[knot](),
		reflect.TypeFor[abi.Conn](), reflect.TypeFor[abi.RequestHead](), reflect.TypeFor[abi.QueueMessage](), reflect.TypeFor[abi.Task](), reflect.TypeFor[abi.FetchRequest](),
	} {
		if !warmed[want] {
			t.Errorf("%v was not looked at", want)
		}
	}
}
