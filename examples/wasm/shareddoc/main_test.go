package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"

	"github.com/vivarium-run/vivarium/examples/wasm/shareddoc/rga"
)

// device is a client with its copy, and what it has not sent yet.
type device struct {
	site   string
	doc    rga.Doc
	last   int
	unsent []rga.Op
}

func (d *device) sync(a *guesttest.Actor) {
	for {
		var news News
		a.MustCall(&news, "sync", d.last, d.unsent)
		d.unsent, d.last = nil, news.Last
		for _, o := range news.Ops {
			d.doc.Add(o)
		}
		if !news.More {
			return
		}
	}
}

// Devices edit apart and sync when they like; in the end all read the same, as the actor does.
func TestDevicesConverge(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		a := guesttest.New(t, "shareddoc", guesttest.Options{})
		devices := []*device{{site: "ann"}, {site: "bob/phone"}, {site: "bob/laptop"}}
		for range 40 {
			d := devices[r.IntN(len(devices))]
			size := len([]rune(d.doc.Text()))
			switch r.IntN(4) {
			case 0:
				d.sync(a)
			case 1:
				if size > 0 {
					d.unsent = append(d.unsent, d.doc.Delete(r.IntN(size), 1)...)
				}
			default:
				d.unsent = append(d.unsent, d.doc.Insert(d.site, r.IntN(size+1), []string{"a", "ñandú", "of"}[r.IntN(3)])...)
			}
		}
		for range 2 { // the second time for what others sent in the first
			for _, d := range devices {
				d.sync(a)
			}
		}
		var want string
		a.MustCall(&want, "text")
		for _, d := range devices {
			if got := d.doc.Text(); got != want {
				t.Fatalf("seed %d: %s reads %q, the actor %q", seed, d.site, got, want)
			}
		}
	}
}

// A sync whose answer was lost is sent again, and changes nothing.
func TestRepeat(t *testing.T) {
	a := guesttest.New(t, "shareddoc", guesttest.Options{})
	ops := new(rga.Doc).Insert("ann", 0, "hello")
	for range 2 {
		a.MustCall(nil, "sync", 0, ops)
	}
	if e := a.Events(); len(e) != 1 || e[0].Args[0] != 1.0 || len(e[0].Args[1].([]any)) != 5 {
		t.Errorf("events %v", e)
	}
	var text string
	if a.MustCall(&text, "text"); text != "hello" {
		t.Errorf("text %q", text)
	}
}

// Long ways come in pages.
func TestPages(t *testing.T) {
	a := guesttest.New(t, "shareddoc", guesttest.Options{})
	ann, bob := device{site: "ann"}, device{site: "bob"}
	for i := range 3 {
		ann.unsent = ann.doc.Insert("ann", i*maxOps, fmt.Sprintf("%0*d", maxOps, i))
		ann.sync(a)
	}
	var news News
	if a.MustCall(&news, "sync", 0, nil); len(news.Ops) != maxOps || !news.More {
		t.Errorf("%d operations, more %v", len(news.Ops), news.More)
	}
	bob.sync(a)
	if bob.doc.Text() != ann.doc.Text() || len(bob.doc.Text()) != 3*maxOps {
		t.Errorf("bob has %d bytes", len(bob.doc.Text()))
	}
	// Numbers of another document that had the same key are worth nothing here.
	if a.MustCall(&news, "sync", 99_999, nil); len(news.Ops) != maxOps || news.Last != maxOps {
		t.Errorf("with a number too high: %d operations to %d", len(news.Ops), news.Last)
	}
}

func TestRefused(t *testing.T) {
	a := guesttest.New(t, "shareddoc", guesttest.Options{Caller: "ann"})
	first := rga.Op{ID: rga.ID{Clock: 1, Site: "ann"}, Char: "x"}
	a.MustCall(nil, "sync", 0, []rga.Op{first})
	a.Events()
	tests := []struct {
		name, code string
		ops        []rga.Op
	}{
		{"another's site", "not_yours", []rga.Op{{ID: rga.ID{Clock: 1, Site: "bob"}, Char: "x"}}},
		{"a name that begins the same", "not_yours", []rga.Op{{ID: rga.ID{Clock: 1, Site: "annette"}, Char: "x"}}},
		{"an id twice", "id_taken", []rga.Op{{ID: first.ID, Char: "y"}}},
		{"malformed", "bad_operation", []rga.Op{{ID: rga.ID{Clock: 2, Site: "ann"}}}},
		{"too many", "too_many", make([]rga.Op, maxOps+1)},
		{"one good, one bad", "id_taken", []rga.Op{{ID: rga.ID{Clock: 2, Site: "ann/phone"}, Char: "z"}, {ID: first.ID, Char: "y"}}},
	}
	for _, tt := range tests {
		if err := a.Call(nil, "sync", 0, tt.ops); !errors.Is(err, guest.UserError(tt.code, "")) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
	}
	var s State
	if a.State(&s); s.Last != 1 || len(a.KV()) != 2 || len(a.Events()) != 0 {
		t.Errorf("refused operations left %+v, %v", s, a.KV())
	}
	a.MustCall(nil, "sync", 0, []rga.Op{{ID: rga.ID{Clock: 1, Site: "bob"}, Delete: true}}) // anybody may delete
}
