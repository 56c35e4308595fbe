package sandbox

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// There is one chore at a time, and a class that has many lets that of another go next.
func TestChores(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := context.Background()
	var busy atomic.Int32
	var mu sync.Mutex // guards order
	var order []string
	chore := func(class string) error {
		return s.Chore(ctx, class, func() error {
			if busy.Add(1) > 1 {
				t.Error("two chores at one time")
			}
			defer busy.Add(-1)
			mu.Lock()
			defer mu.Unlock()
			order = append(order, class)
			return nil
		})
	}
	var wg sync.WaitGroup
	must(t, s.Chore(ctx, "first", func() error {
		for n, class := range []string{"a", "a", "a", "a", "b"} {
			wg.Go(func() { must(t, chore(class)) })
			kvtest.Eventually(t, "the chore waits", func() bool { return s.chores.Waiting() > n })
		}
		return nil
	}))
	wg.Wait()
	if len(order) != 5 || order[1] != "b" {
		t.Errorf("chores ran in the order %q, want b's after a's first", order)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	must(t, s.Chore(ctx, "first", func() error {
		if err := s.Chore(gone, "a", func() error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting for a chore without a client: %v", err)
		}
		return nil
	}))
}

// Making, putting to sleep and waking an instance waits for a run slot, like a turn of its class.
func TestInstancesAreMadeInSlots(t *testing.T) {
	s := open(t, t.TempDir(), func(c *Config) { c.Slots, c.IdleShells = 1, 1 })
	v, err := s.Acquire(context.Background(), source(handwritten()))
	must(t, err)
	defer v.Release()
	for v.takeShell() != nil { // or one would be at hand
	}
	must(t, s.slots.Acquire(context.Background(), "another"))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	var limit *LimitError
	if _, err := v.NewInstance(ctx, newWorld()); !errors.As(err, &limit) {
		t.Errorf("an instance is made without a slot: %v", err)
	}
	made := make(chan *Instance)
	go func() {
		i, err := v.NewInstance(context.Background(), newWorld())
		if err != nil {
			t.Error(err)
		}
		made <- i
	}()
	waits := func(what string) {
		t.Helper()
		kvtest.Eventually(t, what+" waits for a slot", func() bool { return s.slots.Waiting() > 0 })
		select {
		case <-made:
			t.Errorf("%s does not wait for a slot", what)
		default:
		}
		s.slots.Release()
	}
	waits("making")
	i := <-made
	i.worth = s.cfg.KeepGas
	must(t, s.slots.Acquire(context.Background(), "another"))
	go func() { i.Sleep(tenants.NewActorID(tenants.Default), 1); made <- nil }()
	waits("sleeping")
	<-made
	if n := s.slots.Waiting(); n != 0 {
		t.Errorf("%d still wait", n)
	}
	must(t, s.slots.Acquire(context.Background(), "another")) // it is free
	s.slots.Release()
}

// A call that nobody wants any more when it has a slot, or that gets none in time, does not run, and its instance is
// as before.
func TestCallsThatAreNotRun(t *testing.T) {
	s := open(t, t.TempDir(), func(c *Config) { c.Slots = 1 })
	v := acquire(t, s, handwritten())
	defer v.Release()
	i, err := v.NewInstance(context.Background(), newWorld())
	must(t, err)
	defer i.Close()
	i.Ask(func() bool { return false })
	if _, err := i.Call(context.Background(), "grow"); !errors.Is(err, ErrNotRun) {
		t.Errorf("a call that nobody wants: %v", err)
	}
	i.Ask(nil)
	must(t, s.slots.Acquire(context.Background(), "another"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := i.Call(ctx, "grow"); !errors.Is(err, ErrNotRun) {
		t.Errorf("a call without a slot: %v", err)
	}
	s.slots.Release()
	if n, err := i.Call(context.Background(), "grow"); err != nil || n != 1 {
		t.Errorf("the first call that runs found %d pages, %v; want 1", n, err)
	}
	if n := s.slots.Waiting(); n != 0 {
		t.Errorf("%d still wait", n)
	}
}
