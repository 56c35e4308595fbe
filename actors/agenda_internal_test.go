package actors

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The index answers as a walk over all rows would, whatever was done to it.
func TestAgendaModel(t *testing.T) {
	type row struct {
		due  int64
		busy bool
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	var g agenda
	model := map[string]row{}
	newKey := func() string {
		if r.IntN(3) == 0 {
			return string(agendaKey(agendaQueue, fmt.Append(nil, r.IntN(20))))
		}
		return string(agendaKey(agendaOutgoing, binary.BigEndian.AppendUint64([]byte("pair"+strings.Repeat("x", r.IntN(3))), uint64(r.IntN(20)))))
	}
	for step := range 20_000 {
		key, due := newKey(), time.UnixMilli(1+r.Int64N(100))
		had, ok := model[key]
		switch r.IntN(6) {
		case 0, 1:
			if err := g.set(key, agendaRow(due, nil)); err != nil {
				t.Fatal(err)
			}
			model[key] = row{due.UnixMilli(), false}
		case 2:
			g.remove(key)
			delete(model, key)
		case 3:
			if taken, some := g.take(due); some {
				if model[taken].busy || model[taken].due > due.UnixMilli() {
					t.Fatalf("seed %d, step %d: took %q", seed, step, taken)
				}
				model[taken] = row{model[taken].due, true}
			}
		case 4:
			if g.idle(key, due); ok && had.busy {
				model[key] = row{max(had.due, due.UnixMilli()), false}
			}
		case 5:
			if want := ok && !had.busy && had.due <= due.UnixMilli(); g.seize(key, due) != want {
				t.Fatalf("seed %d, step %d: seized %v", seed, step, !want)
			} else if want {
				model[key] = row{had.due, true}
			}
		}
		var first, next int64
		busy, after := 0, ""
		pair := "gopairx"
		for k, m := range model {
			if first == 0 || m.due < first {
				first = m.due
			}
			if m.busy {
				busy++
			} else if next == 0 || m.due < next {
				next = m.due
			}
			if len(k) == len(pair)+8 && strings.HasPrefix(k, pair) && k > key && (after == "" || k < after) {
				after = k
			}
		}
		moment := func(ms int64) time.Time {
			if ms == 0 {
				return time.Time{}
			}
			return time.UnixMilli(ms)
		}
		if !g.due().Equal(moment(first)) || !g.next().Equal(moment(next)) || g.working() != busy || g.after(key, []byte(pair)) != after {
			t.Fatalf("seed %d, step %d: due %v, next %v, working %d, after %q: %q; want %v, %v, %d, %q", seed, step,
				g.due(), g.next(), g.working(), key, g.after(key, []byte(pair)), moment(first), moment(next), busy, after)
		}
	}
}

// Work on one of many sends costs about as much as on one of few.
func BenchmarkAgendaSends(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var g agenda
			key := func(i int) string {
				return string(agendaKey(agendaOutgoing, binary.BigEndian.AppendUint64([]byte("pair"), uint64(i))))
			}
			now := time.UnixMilli(1)
			for i := range n {
				g.set(key(i), agendaRow(now, nil))
			}
			for range n {
				g.take(now) // all but the first wait for it
			}
			for i := 0; b.Loop(); i++ {
				first := g.first([]byte("gopair"))
				next := g.after(first, []byte("gopair"))
				g.remove(first)
				g.idle(next, now)
				g.take(now)
				g.set(key(n+i), agendaRow(now, nil))
				g.take(now)
				g.due()
			}
		})
	}
}
