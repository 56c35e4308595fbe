package actors

import (
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/internal/stats"
	"github.com/vivarium-run/vivarium/tenants"
)

// Every kind of turn has a name of its own, and every code a place in a table.
func TestStatsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for kind, name := range kindNames {
		if name == "" || seen[name] {
			t.Errorf("turns of kind %d have the name %q", kind, name)
		}
		seen[name] = true
	}
	for _, c := range abi.Codes() {
		if int(c) >= stats.TableSize-1 {
			t.Errorf("%v has the number %d, past the end of a table", c, c)
		}
	}
}

// A reader that is too slow misses lines, and that is told.
func TestMissedLinesAreTold(t *testing.T) {
	h := &Host{logs: newLogs(), events: newEvents()}
	f := h.logs.of(tenants.NewActorID(tenants.Default), true)
	f.since(0, true)
	for range followRoom + 3 {
		f.add(LogLine{Text: "x"}, true)
	}
	if n := h.logs.missed.Load(); n != 3 {
		t.Errorf("%d lines are missed, want 3", n)
	}
}

// BenchmarkCounting is what a turn pays for being counted.
func BenchmarkCounting(b *testing.B) {
	var c counters
	var slots stats.Times // as the sandbox's, of a turn that did not wait
	t := &turn{asked: abi.KindAction}
	b.ReportAllocs()
	for b.Loop() {
		t.begun = time.Now()
		slots.Add(0)
		c.gas.Add(1000)
		c.ran(t, nil)
	}
}
