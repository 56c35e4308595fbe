package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

var modelTests = []test{{"random operations against a map", func(h *harness) {
	s := *seed
	if s == 0 {
		s = time.Now().UnixNano()
	}
	h.Logf("replay with -kvtest.seed=%d -kvtest.ops=%d", s, *ops)
	m := &model{harness: h, rnd: rand.New(rand.NewSource(s)), names: make(map[string]string)}
	for i := range 6 {
		m.spaces = append(m.spaces, &modelSpace{Space: m.freshSpace(i)})
	}
	for range *ops {
		m.step()
		if h.Failed() {
			return
		}
	}
	m.restart()
}}}

// model is a plain copy of what the store must hold. Deltas stay in flight for a while; the model
// has the state behind each, to fall back to when a claim cuts them off.
type model struct {
	*harness
	rnd    *rand.Rand
	spaces []*modelSpace
	made   int
	names  map[string]string // class and name -> id, of deltas that landed
}

type modelSpace struct {
	kv.Space
	owner *owner // nil while nobody holds it
	state modelState
	fly   []*modelFlight // deltas that the model has not settled yet, oldest first
}

// modelState is a space behind some delta.
type modelState struct {
	pos   uint64
	items map[string]string
	name  string
	due   time.Time
}

type modelFlight struct {
	*flight
	layer kv.Overlay
	after modelState
}

func (m *model) freshSpace(i int) kv.Space {
	m.made++
	class := []string{"a", "ab", "\xff"}[i%3]
	return kv.NewSpace(class, fmt.Sprintf("%s%d", class, m.made))
}

func (m *model) step() {
	s := m.spaces[m.rnd.Intn(len(m.spaces))]
	switch p := m.rnd.Intn(1000); {
	case p < 500:
		m.commit(s)
	case p < 700:
		m.get(s)
	case p < 850:
		m.scan(s)
	case p < 900:
		m.settle(s)
	case p < 930:
		m.claim(s)
	case p < 950:
		m.release(s)
	case p < 960:
		m.stale(s)
	case p < 975:
		m.directory()
	case p < 980:
		m.destroy(s)
	case p < 983:
		m.restart()
	default:
		m.claim(s)
	}
}

// view is what the owner sees: the newest state, through layers of deltas in flight.
func (s *modelSpace) view(store kv.Reader) kv.View {
	v := kv.View{Store: store, Space: s.Space}
	for _, f := range slices.Backward(s.fly) {
		v.Layers = append(v.Layers, &f.layer)
	}
	return v
}

// newest is the state behind the last delta in flight.
func (s *modelSpace) newest() modelState {
	if n := len(s.fly); n > 0 {
		return s.fly[n-1].after
	}
	return s.state
}

func (m *model) commit(s *modelSpace) {
	if s.owner == nil {
		m.claim(s)
	}
	if len(s.fly) == 16 {
		m.settle(s)
	}
	after := s.newest()
	after.pos++
	after.items = maps.Clone(after.items)
	if after.items == nil {
		after.items = make(map[string]string)
	}
	f := &modelFlight{flight: newFlight()}
	for range m.rnd.Intn(5) {
		key := m.key()
		if m.rnd.Intn(3) == 0 {
			f.layer.Delete([]byte(key))
			delete(after.items, key)
		} else {
			v := m.value()
			f.layer.Put([]byte(key), v)
			after.items[key] = string(v)
		}
	}
	d := kv.Delta{Ops: f.layer.Ops()}
	if m.rnd.Intn(10) == 0 {
		if after.due = (time.Time{}); m.rnd.Intn(3) > 0 {
			after.due = at(m.rnd.Intn(50))
		}
		due := after.due
		d.Due = &due
	}
	if m.rnd.Intn(20) == 0 {
		// The name is free or its own: m.names has every name that is bound or about to be.
		name := fmt.Sprint("n", m.rnd.Intn(10))
		if id, ok := m.names[s.Class()+"/"+name]; !ok || id == s.ID() {
			d.Bind, after.name = []byte(name), name
			m.names[s.Class()+"/"+name] = s.ID()
		}
	}
	f.after = after
	s.fly = append(s.fly, f)
	inner := s.owner.start(d)
	f.flight = inner
}

func (m *model) key() string {
	if m.rnd.Intn(4) == 0 {
		return []string{"\x00", "\xff", "\xff\xff", "k\x00", "k"}[m.rnd.Intn(5)]
	}
	return fmt.Sprintf("k%02d", m.rnd.Intn(20))
}

func (m *model) value() []byte {
	n := m.rnd.Intn(60)
	if m.rnd.Intn(150) == 0 {
		n = min(500<<10+m.rnd.Intn(700<<10), m.s.Limits().MaxValue/4)
	}
	v := make([]byte, n)
	m.rnd.Read(v)
	return v
}

// settle waits for all deltas of s, which must land.
func (m *model) settle(s *modelSpace) { m.settleAt(s, s.newest().pos) }

// settleAt waits for all deltas of s: those up to pos must have landed, the others be fenced.
func (m *model) settleAt(s *modelSpace, pos uint64) {
	m.Helper()
	for _, f := range s.fly {
		err := f.wait(m.T)
		if f.after.pos <= pos {
			m.wantErr(err, nil)
			s.state = f.after
		} else {
			m.wantErr(err, kv.ErrFenced)
		}
	}
	s.fly = nil
	if s.state.pos != pos {
		m.Fatalf("space %v: claimed at %d, model is at %d", s.Space, pos, s.state.pos)
	}
	// Names that this space gave up, or never got, are free.
	maps.DeleteFunc(m.names, func(name, id string) bool {
		return id == s.ID() && name != s.Class()+"/"+s.state.name
	})
}

func (m *model) claim(s *modelSpace) {
	s.owner = m.harness.claim(s.Space)
	m.settleAt(s, s.owner.Pos)
}

func (m *model) release(s *modelSpace) {
	if s.owner != nil {
		m.s.Release(s.owner.Lease)
		m.settle(s)
		s.owner = nil
	}
}

// stale commits under a lease that has been superseded.
func (m *model) stale(s *modelSpace) {
	if s.owner == nil {
		return
	}
	m.settle(s)
	old := *s.owner
	m.claim(s)
	m.wantErr(old.start(kv.Delta{Ops: []kv.Op{put("stale", "x")}}).wait(m.T), kv.ErrFenced)
}

func (m *model) destroy(s *modelSpace) {
	if s.owner == nil {
		m.claim(s)
	}
	m.settle(s)
	s.owner.destroy()
	m.wantItems(s.Space, "")
	delete(m.names, s.Class()+"/"+s.state.name)
	*s = modelSpace{Space: m.freshSpace(m.rnd.Intn(3))}
}

func (m *model) get(s *modelSpace) {
	key := m.key()
	want, ok := s.newest().items[key]
	got, err := s.view(m.s).Get(m.Context(), []byte(key))
	if ok != (err == nil) || err != nil && !errors.Is(err, kv.ErrNotFound) || string(got) != want {
		m.Errorf("space %q: get %q: got %q, %v, want %q, %t", s.Space, key, short(string(got)), err, short(want), ok)
	}
}

func (m *model) scan(s *modelSpace) {
	r := kv.Range{Reverse: m.rnd.Intn(2) == 0}
	if m.rnd.Intn(2) == 0 {
		r.Lo = []byte(m.key())
	}
	if m.rnd.Intn(2) == 0 {
		r.Hi = []byte(m.key())
	}
	m.compare(s, r)
}

// compare scans r through the deltas in flight.
func (m *model) compare(s *modelSpace, r kv.Range) {
	m.Helper()
	items := s.newest().items
	keys := slices.Sorted(maps.Keys(items))
	keys = slices.DeleteFunc(keys, func(k string) bool {
		return k < string(r.Lo) || r.Hi != nil && k >= string(r.Hi)
	})
	if r.Reverse {
		slices.Reverse(keys)
	}
	i := 0
	for item, err := range s.view(m.s).Scan(m.Context(), r) {
		m.wantErr(err, nil)
		if i >= len(keys) || string(item.Key) != keys[i] || !bytes.Equal(item.Value, []byte(items[keys[i]])) {
			m.Fatalf("space %q, range %+v: item %d is %q", s.Space, r, i, item.Key)
		}
		i++
	}
	if i != len(keys) {
		m.Fatalf("space %q, range %+v: got %d items, want %d", s.Space, r, i, len(keys))
	}
}

// directory compares names and due moments.
func (m *model) directory() {
	for _, s := range m.spaces {
		if s.owner != nil {
			m.settle(s)
		}
	}
	names, due := make(map[string]string), make(map[string]time.Time)
	for _, s := range m.spaces {
		if s.state.name != "" {
			names[s.Class()+"/"+s.state.name] = s.ID()
		}
		if !s.state.due.IsZero() {
			due[s.ID()] = s.state.due
		}
	}
	gotNames, gotDue := make(map[string]string), make(map[string]time.Time)
	for _, class := range []string{"a", "ab", "\xff"} {
		for b, err := range m.s.List(m.Context(), class, kv.Range{}) {
			m.wantErr(err, nil)
			gotNames[class+"/"+string(b.Name)] = b.Space.ID()
		}
	}
	last := time.Time{}
	for w, err := range m.s.Due(m.Context(), at(1000)) {
		m.wantErr(err, nil)
		if w.Due.Before(last) {
			m.Errorf("due moments out of order")
		}
		gotDue[w.Space.ID()], last = w.Due, w.Due
	}
	if !maps.Equal(gotNames, names) {
		m.Fatalf("names: got %v, want %v", gotNames, names)
	}
	if !maps.EqualFunc(gotDue, due, time.Time.Equal) {
		m.Fatalf("due: got %v, want %v", gotDue, due)
	}
}

// restart reopens the store and compares all of it.
func (m *model) restart() {
	m.reopen()
	for _, s := range m.spaces {
		m.settle(s)
		s.owner = nil
		m.compare(s, kv.Range{})
	}
	m.directory()
	for _, s := range m.spaces {
		m.claim(s)
	}
}
