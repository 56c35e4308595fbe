package endure

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
)

// releases is somebody who changes a module beside the load: uploads, goes back, tries a canary, deletes. Nobody
// else does, so after a kill the module is as the last acknowledged change left it, or as the one under way would.
type releases struct {
	module  string
	round   int
	changes int
	known   shape  // that was acknowledged
	asked   *shape // what the change under way makes of it; nil if none is
	counted int    // highest answer of the module's actor
	called  int    // how often it was called
	bytes   map[int][]byte
}

// shape is what a module is from outside.
type shape struct {
	There   bool
	Live    int
	Canary  int // version, zero for none
	Version []int
}

func (s shape) String() string {
	return fmt.Sprintf("there %t, live %d, canary %d, versions %v", s.There, s.Live, s.Canary, s.Version)
}

func newReleases(round int) *releases {
	return &releases{module: fmt.Sprint("release", round), round: round, bytes: map[int][]byte{}}
}

// run changes the module until one change gets no answer.
func (s *releases) run(ctx context.Context, m *mob) {
	for ctx.Err() == nil {
		if err := s.change(ctx, m); err != nil {
			if !m.ending.Load() {
				m.t.Errorf("change of a module: %v", err)
			}
			return
		}
	}
}

// change does the next of a row of changes, and calls the actor that runs the module.
func (s *releases) change(ctx context.Context, m *mob) error {
	s.changes++
	next := s.known
	next.Version = slices.Clone(next.Version)
	path := "/modules/" + s.module
	newest := len(next.Version)
	var r client.Request
	switch n := s.changes % 4; {
	case newest < 2 || n == 1:
		s.bytes[newest+1] = variant(m, s.round, newest+1)
		next.There, next.Live, next.Canary, next.Version = true, newest+1, 0, append(next.Version, newest+1)
		r = client.Request{Method: "PUT", Path: path, ContentType: "application/wasm", Body: s.bytes[newest+1]}
	case n == 2:
		next.Live = 1 + s.changes%newest
		if next.Canary == next.Live {
			next.Canary = 0 // it ends when it becomes live
		}
		r = client.Request{Method: "PATCH", Path: path, Body: fmt.Appendf(nil, `{"live":%d}`, next.Live)}
	case n == 3 && next.Live != newest:
		next.Canary = newest
		r = client.Request{Method: "PATCH", Path: path, Body: fmt.Appendf(nil, `{"canary":{"version":%d,"percent":50}}`, newest)}
	default:
		next.Canary = 0
		r = client.Request{Method: "PATCH", Path: path, Body: []byte(`{"canary":null}`)}
	}
	if err := s.ask(ctx, m, r, next); err != nil {
		return err
	}
	for range 3 {
		s.called++
		n, err := client.Call[int](ctx, m.client.GetOrCreate(s.module, "one").Once(fmt.Sprint(s.round, "-", s.called)), "count")
		if err != nil {
			return err
		}
		if n != s.called {
			m.t.Errorf("call %d of a counter was answered %d", s.called, n)
		}
		s.counted = n
	}
	return nil
}

func (s *releases) ask(ctx context.Context, m *mob, r client.Request, next shape) error {
	s.asked = &next
	if err := ask(ctx, m.client, r); err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	s.known, s.asked = next, nil
	return nil
}

// variant returns a small plain module that no other round has.
func variant(m *mob, round, n int) []byte {
	wasm := actorstest.Guest(m.t, "examples/wasm/extism-as")
	return append(bytes.Clone(wasm), 0, 5, 1, 'r', byte(round), byte(round>>8), byte(n))
}

// check says what is wrong with the module after a kill, and lets it go.
func (s *releases) check(ctx context.Context, m *mob) []string {
	got, err := s.look(ctx, m)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	if fmt.Sprint(got) != fmt.Sprint(s.known) && (s.asked == nil || fmt.Sprint(got) != fmt.Sprint(*s.asked)) {
		wrong = append(wrong, fmt.Sprintf("module %s is: %v; acknowledged is: %v; asked for was %v", s.module, got, s.known, s.asked))
	}
	for _, v := range got.Version {
		b, err := s.wasm(ctx, m, v)
		if err != nil || !bytes.Equal(b, s.bytes[v]) {
			wrong = append(wrong, fmt.Sprintf("version %d of %s has %d bytes, uploaded were %d; %v", v, s.module, len(b), len(s.bytes[v]), err))
		}
	}
	if !got.There {
		return wrong
	}
	return append(wrong, s.end(ctx, m)...)
}

// end asks the actor for its count, and deletes both.
func (s *releases) end(ctx context.Context, m *mob) (wrong []string) {
	a := m.client.GetOrCreate(s.module, "one")
	for n := 1; n <= s.called; n++ { // the last of them may have had no answer
		got, err := client.Call[int](ctx, a.Once(fmt.Sprint(s.round, "-", n)), "count")
		if err != nil || got != n {
			wrong = append(wrong, fmt.Sprintf("call %d of a counter, asked for again, is answered %d, %v", n, got, err))
		}
	}
	if n, err := client.Call[int](ctx, a, "count"); err != nil || n != s.called+1 {
		wrong = append(wrong, fmt.Sprintf("after %d calls a counter says %d, %v", s.called, n, err))
	}
	id, err := a.Resolve(ctx)
	if err != nil {
		return append(wrong, err.Error())
	}
	for _, path := range []string{"/actors/" + id, "/modules/" + s.module} {
		if err := ask(ctx, m.client, client.Request{Method: "DELETE", Path: path}); err != nil {
			wrong = append(wrong, fmt.Sprintf("DELETE %s: %v", path, err))
		}
	}
	return wrong
}

func (s *releases) look(ctx context.Context, m *mob) (got shape, err error) {
	var one struct {
		Live   int
		Canary *struct{ Version int }
	}
	switch err = m.client.Fetch(ctx, client.Request{Path: "/modules/" + s.module}, &one); {
	case client.Is(err, "module/not_found"):
		return got, nil
	case err != nil:
		return got, err
	}
	got.There, got.Live = true, one.Live
	if one.Canary != nil {
		got.Canary = one.Canary.Version
	}
	var list struct{ Versions []struct{ Version int } }
	if err := m.client.Fetch(ctx, client.Request{Path: "/modules/" + s.module + "/versions"}, &list); err != nil {
		return got, err
	}
	for _, v := range list.Versions {
		got.Version = append(got.Version, v.Version)
	}
	slices.Sort(got.Version)
	return got, nil
}

func (s *releases) wasm(ctx context.Context, m *mob, v int) ([]byte, error) {
	resp, err := m.client.Open(ctx, client.Request{Path: fmt.Sprintf("/modules/%s/versions/%d/wasm", s.module, v)})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
