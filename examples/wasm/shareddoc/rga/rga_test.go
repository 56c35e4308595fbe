package rga

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// merged is a document that was given ops in their order.
func merged(ops []Op) *Doc {
	d := new(Doc)
	for _, o := range ops {
		d.Add(o)
	}
	return d
}

// What two people type apart at the same place stays together, and both find the same.
func TestApart(t *testing.T) {
	start := new(Doc)
	base := start.Insert("host", 0, "ac")
	ann, bob := merged(base), merged(base)
	a, b := ann.Insert("ann", 1, "123"), bob.Insert("bob", 1, "xyz")
	b = append(b, bob.Delete(0, 1)...)
	for _, o := range b {
		ann.Add(o)
	}
	for _, o := range a {
		bob.Add(o)
	}
	if ann.Text() != bob.Text() {
		t.Errorf("ann reads %q, bob %q", ann.Text(), bob.Text())
	}
	if got := ann.Text(); !strings.Contains(got, "123") || !strings.Contains(got, "xyz") || strings.Contains(got, "a") || !strings.HasSuffix(got, "c") {
		t.Errorf("the text is %q", got)
	}
}

// An operation that comes before what it is about waits for it.
func TestEarly(t *testing.T) {
	d := new(Doc)
	ops := append(d.Insert("ann", 0, "abc"), d.Delete(1, 1)...)
	e := new(Doc)
	for i, o := range slices.Backward(ops) {
		if !e.Add(o) || e.Add(o) {
			t.Errorf("operation %d is not new once and only once", i)
		}
		if i > 0 && e.Text() != "" {
			t.Errorf("%q without its beginning", e.Text())
		}
	}
	if e.Text() != "ac" {
		t.Errorf("%q, want ac", e.Text())
	}
}

// Any order of delivery, with anything delivered twice, gives the same text: sites edit at random, hear
// of each other at random, and in the end everybody has everything.
func TestConverges(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		docs := make([]*Doc, 2+r.IntN(4))
		for i := range docs {
			docs[i] = new(Doc)
		}
		var all []Op
		for range 60 {
			i := r.IntN(len(docs))
			d := docs[i]
			switch size := len(d.visible()); {
			case r.IntN(3) == 0 && len(all) > 0: // some come from elsewhere, in no order
				for range r.IntN(20) {
					d.Add(all[r.IntN(len(all))])
				}
			case r.IntN(3) == 0 && size > 0:
				at := r.IntN(size)
				all = append(all, d.Delete(at, 1+r.IntN(min(3, size-at)))...)
			default:
				all = append(all, d.Insert(fmt.Sprint("site", i), r.IntN(size+1), "word"[:1+r.IntN(4)])...)
			}
		}
		want := merged(all).Text()
		for i, d := range docs {
			for _, at := range r.Perm(len(all)) {
				d.Add(all[at])
			}
			if got := d.Text(); got != want {
				t.Fatalf("seed %d: site %d reads %q, others %q", seed, i, got, want)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	ok := Op{ID: ID{2, "ann"}, After: ID{1, "bob"}, Char: "x"}
	if err := ok.Check(); err != nil {
		t.Error(err)
	}
	for name, o := range map[string]Op{
		"no site":               {ID: ID{1, ""}, Char: "x"},
		"long site":             {ID: ID{1, strings.Repeat("s", 129)}, Char: "x"},
		"no clock":              {ID: ID{0, "ann"}, Char: "x"},
		"far clock":             {ID: ID{maxClock + 1, "ann"}, Char: "x"},
		"nothing":               {ID: ID{1, "ann"}},
		"much":                  {ID: ID{1, "ann"}, Char: strings.Repeat("x", 65)},
		"behind its own future": {ID: ID{2, "ann"}, After: ID{2, "bob"}, Char: "x"},
	} {
		if o.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
