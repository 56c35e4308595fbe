//go:build !wasip1

package wasm_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/examples/wasm/shareddoc/rga"
	"github.com/vivarium-run/vivarium/tenants"
)

// device is a client of a shared document, with a copy that it types into without asking.
type device struct {
	subject, site string
	doc           rga.Doc
	last          int
	unsent        []rga.Op
}

type news struct {
	Last int
	Ops  []rga.Op
	More bool
}

// sync sends what the device did, and takes what it has not seen.
func (d *device) sync(h *host, id tenants.ActorID) error {
	for {
		args, err := json.Marshal([]any{d.last, d.unsent})
		if err != nil {
			return err
		}
		r, err := h.Host.Call(h.t.Context(), id, actors.Request{Action: "sync", Args: args, Caller: d.subject})
		if err != nil {
			return err
		}
		var n news
		if err := json.Unmarshal(r.Output, &n); err != nil {
			return err
		}
		d.unsent, d.last = nil, n.Last
		for _, o := range n.Ops {
			d.doc.Add(o)
		}
		if !n.More {
			return nil
		}
	}
}

// edit does something to the device's copy.
func (d *device) edit(r *rand.Rand) {
	size := len([]rune(d.doc.Text()))
	if size > 5 && r.IntN(3) == 0 {
		d.unsent = append(d.unsent, d.doc.Delete(r.IntN(size-2), 2)...)
		return
	}
	d.unsent = append(d.unsent, d.doc.Insert(d.site, r.IntN(size+1), d.site+" ")...)
}

// Many devices edit at once, some of them offline for long, and the host is restarted in between. In the end
// they all read the same, and so does who joins then.
func TestSharedDocument(t *testing.T) {
	h := open(t, "shareddoc")
	id := h.actor("shareddoc", "minutes")
	devices := []*device{
		{subject: "ann", site: "ann"}, {subject: "bob", site: "bob/phone"}, {subject: "bob", site: "bob/laptop"},
		{subject: "cleo", site: "cleo"}, {subject: "dan", site: "dan"},
	}
	for round := range 2 {
		together(len(devices), func(i int) {
			d, r := devices[i], rand.New(rand.NewPCG(uint64(i), uint64(round)))
			for range 20 {
				d.edit(r)
				if i == 0 || r.IntN(2*i) == 0 { // dan is offline for most of the time
					if err := d.sync(h, id); err != nil {
						t.Error(err)
					}
				}
			}
		})
		h.restart(time.Hour)
	}
	for range 2 { // the second time for what others sent in the first
		for _, d := range devices {
			if err := d.sync(h, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	late := &device{subject: "eve", site: "eve"}
	if err := late.sync(h, id); err != nil {
		t.Fatal(err)
	}
	want := get[string](h, id, "text")
	if len(want) < 100 {
		t.Errorf("the text is %q only", want)
	}
	for _, d := range append(devices, late) {
		if got := d.doc.Text(); got != want {
			t.Errorf("%s reads %q, the actor %q", d.site, got, want)
		}
	}
	late.site = "ann"
	late.edit(rand.New(rand.NewPCG(1, 1)))
	if err := late.sync(h, id); !userError(err, "not_yours") {
		t.Errorf("eve types as ann: %v", err)
	}
}

// documents uploads versions of the document, numbered in their order; the first is live.
func documents(h *host, most int) {
	h.t.Helper()
	for v := 1; v <= most; v++ {
		wasm := actorstest.Guest(h.t, fmt.Sprintf("examples/wasm/document/v%d", v))
		h.UploadBytes(tenants.Default, actors.UploadOptions{Module: "document", Live: v == 1}, wasm)
	}
}

type block struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// One document through three versions and back, while another one sleeps.
func TestDocumentVersions(t *testing.T) {
	h := open(t)
	documents(h, 3)
	live := func(v int) {
		t.Helper()
		if _, err := h.Registry.SetLive(t.Context(), tenants.Default, "document", v); err != nil {
			t.Fatal(err)
		}
	}
	reads := func(id tenants.ActorID, want string) {
		t.Helper()
		if got := get[string](h, id, "read"); got != want {
			t.Errorf("it reads %q, want %q", got, want)
		}
	}
	outline := func(id tenants.ActorID, want ...block) {
		t.Helper()
		if got := get[[]block](h, id, "outline"); !reflect.DeepEqual(got, want) {
			t.Errorf("the outline is %v, want %v", got, want)
		}
	}
	a, sleeper := h.actor("document", "a"), h.actor("document", "sleeper")
	h.MustCall(a, nil, "write", "one\n\ntwo")
	h.MustCall(sleeper, nil, "write", "good\n\nnight")
	h.restart(time.Hour) // from here on it sleeps

	live(2)
	h.MustCall(a, nil, "title", "Numbers")
	if got := get[[]string](h, a, "outline"); !reflect.DeepEqual(got, []string{"Numbers", "one", "two"}) {
		t.Errorf("the outline is %q", got)
	}
	live(1)
	reads(a, "one\n\ntwo")
	if _, err := h.Call(a, "outline"); err == nil {
		t.Error("version 1 has an outline")
	}
	h.MustCall(a, nil, "write", "one\n\ntwo\n\nthree")
	live(2)
	if got := get[[]string](h, a, "outline"); !reflect.DeepEqual(got, []string{"Numbers", "one", "two", "three"}) {
		t.Errorf("back from version 1 the outline is %q", got)
	}

	live(3)
	h.MustCall(a, nil, "mark", 0, "heading")
	h.MustCall(a, nil, "mark", 2, "code")
	live(2)
	reads(a, "one\n\ntwo\n\nthree")
	h.MustCall(a, nil, "write", "one\n\n2\n\nthree")
	h.restart(time.Hour)
	live(3)
	outline(a, block{"heading", "one"}, block{"text", "2"}, block{"code", "three"})

	// What older versions have no place for keeps the document where it is.
	h.MustCall(a, nil, "add", block{"code", "for {\n\n}"})
	live(1)
	outline(a, block{"heading", "one"}, block{"text", "2"}, block{"code", "three"}, block{"code", "for {\n\n}"})
	h.MustCall(a, nil, "mark", 1, "code")
	h.restart(time.Hour)
	outline(a, block{"heading", "one"}, block{"code", "2"}, block{"code", "three"}, block{"code", "for {\n\n}"})
	if info, err := h.Host.Get(t.Context(), a); err != nil || info.Version != 3 || info.Kept != 1 {
		t.Errorf("%+v, %v; want version 3 kept against 1", info, err)
	}
	live(3)
	if got := get[string](h, a, "read"); got != "one\n\n2\n\nthree\n\nfor {\n\n}" {
		t.Errorf("it reads %q", got)
	}

	// Who slept all the time comes from version 1 at once.
	reads(sleeper, "good\n\nnight")
	outline(sleeper, block{"text", "good"}, block{"text", "night"})
}

// What many write while versions change is neither lost nor refused.
func TestDocumentChangesUnderLoad(t *testing.T) {
	h := open(t)
	documents(h, 2)
	const writers, writes = 4, 30
	var changes sync.WaitGroup
	written := make(chan struct{}, writers*writes)
	changes.Go(func() {
		for i := range writers * writes / 10 {
			for range 10 {
				<-written
			}
			if _, err := h.Registry.SetLive(t.Context(), tenants.Default, "document", 2-i%2); err != nil {
				t.Error(err)
			}
		}
	})
	together(writers, func(i int) {
		id := h.actor("document", fmt.Sprint(i))
		for n := range writes {
			text := fmt.Sprintf("text %d\n\nof %d", n, i)
			h.MustCall(id, nil, "write", text)
			if got := get[string](h, id, "read"); got != text {
				t.Errorf("document %d reads %q, want %q", i, got, text)
			}
			written <- struct{}{}
		}
	})
	changes.Wait()
}
