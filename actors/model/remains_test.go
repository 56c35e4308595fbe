package model

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
)

// remains is what a killed host left on disk, before another looks at it.
type remains struct {
	*run
	store kv.Store
	open  map[*actor]bool // a job may have changed it, or not
	sends []send          // of jobs that are done
}

// inspect compares what a killed host left with the model: each job of the batch is done or is not.
func (r *run) inspect(batch []*job, f fate) error {
	if err := actorstest.CheckData(r.dir); err != nil {
		return err
	}
	store, err := badgerkv.Open(badgerkv.Config{Dir: filepath.Join(r.dir, "store")})
	if err != nil {
		return err
	}
	defer store.Close()
	in := &remains{run: r, store: store, open: map[*actor]bool{}}
	for i, j := range batch {
		_, answered := f.answers[[2]int{0, i}]
		if err := in.look(j, answered); err != nil {
			return r.wrong(j, err)
		}
	}
	return in.rest()
}

// look fails unless a job is done or is not.
func (in *remains) look(j *job, answered bool) error {
	asideDone, _, err := in.part(j.aside, answered)
	if err != nil {
		return err
	}
	all, any, err := in.part(j.after, answered)
	switch {
	case err != nil:
		return err
	case any && !asideDone:
		return fmt.Errorf("the turn is done, and what it did aside is not")
	case any && all:
		in.sends = append(in.sends, j.sends...)
	case any && j.order.Kind == "call": // a destruction may have ended some of the children
		return fmt.Errorf("the turn is half done")
	}
	return nil
}

// part looks whether actors are as before or as a job makes them: all of them, any of them.
func (in *remains) part(after map[*actor]*data, answered bool) (all, any bool, err error) {
	all = true
	for a, want := range after {
		in.open[a] = true
		was, err := in.is(a, a.data)
		if err != nil {
			return false, false, err
		}
		now, err := in.is(a, want)
		switch {
		case err != nil:
			return false, false, err
		case was != "" && now != "":
			return false, false, fmt.Errorf("%v is half done: it is not as before (%s), nor as it will be (%s)", a.address, was, now)
		case now != "" && answered:
			return false, false, fmt.Errorf("%v is not done, and was answered: %s", a.address, now)
		}
		all, any = all && now == "", any || now == ""
	}
	return all, any, nil
}

// is says how an actor differs from what it is to hold, but for what it got from others; empty if it does not.
func (in *remains) is(a *actor, want *data) (string, error) {
	st, err := in.read(a)
	switch {
	case err != nil:
		return "", err
	case st == nil && want == nil:
		return "", nil
	case st == nil || want == nil:
		return fmt.Sprintf("it is there: %t, want %t", st != nil, want != nil), nil
	}
	return st.differs(a, want), nil
}

// read returns what is stored of the actor at an address; nil if there is none.
func (in *remains) read(a *actor) (*stored, error) {
	space, err := in.store.Lookup(context.Background(), string(a.address.Namespace), a.address.Binding())
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return read(in.store, space)
}

// rest compares what no job changes, and what the sends of all jobs may have done so far.
func (in *remains) rest() error {
	for _, a := range in.actors {
		if in.open[a] {
			continue
		}
		if diff, err := in.is(a, a.data); err != nil || diff != "" {
			return fmt.Errorf("%v, which no job changes: %s, %v", a.address, diff, err)
		}
	}
	for _, a := range in.actors {
		st, err := in.read(a)
		if err != nil {
			return err
		}
		if st == nil || a.data == nil {
			continue
		}
		want := a.data.clone()
		for _, s := range in.sends {
			if s.to == a.id.String() && !s.fails {
				want.get(s)
			}
		}
		if diff := st.sends(want, true); diff != "" {
			return fmt.Errorf("%v: %s", a.address, diff)
		}
	}
	return nil
}
