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
