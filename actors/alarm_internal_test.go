package actors

import (
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/tenants"
)

// The alarm remembers no actor for longer than it leaves it alone.
func TestAlarmForgets(t *testing.T) {
	now := time.Now()
	al := &alarm{snooze: map[tenants.ActorID]time.Time{}}
	past, rests := tenants.NewActorID(tenants.Default), tenants.NewActorID(tenants.Default)
	al.rest(past, now)
	al.rest(rests, now.Add(1))
	al.sweep(now)
	if _, ok := al.resting(rests, now); !ok || len(al.snooze) != 1 {
		t.Errorf("the alarm remembers %d actors", len(al.snooze))
	}
}

// What one namespace has due leaves room for that of others, and whoever found none is looked for again.
func TestAlarmIsShared(t *testing.T) {
	al := &alarm{of: map[tenants.ID]int{}, poke: make(chan struct{}, 1)}
	fill := func(ns tenants.ID) (n int, full bool) {
		for {
			ok, full := al.begin(ns)
			if !ok {
				return n, full
			}
			n++
		}
	}
	if n, full := fill("hog"); n != wakingShare || full {
		t.Errorf("the hog has %d, %v", n, full)
	}
	if n, full := fill("other"); n != maxWaking-wakingShare || !full {
		t.Errorf("the other has %d, %v", n, full)
	}
	al.end("hog")
	if len(al.poke) != 1 {
		t.Error("nobody looks again")
	}
	if ok, _ := al.begin("hog"); !ok {
		t.Error("the room is not given back")
	}
	for range wakingShare {
		al.end("hog")
	}
	for range maxWaking - wakingShare {
		al.end("other")
	}
	if al.waking != 0 || len(al.of) != 0 {
		t.Errorf("%d are left, %v", al.waking, al.of)
	}
}
