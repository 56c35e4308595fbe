package main

import (
	"errors"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func TestRemind(t *testing.T) {
	a := guesttest.New(t, "reminders", guesttest.Options{Key: []string{"ann"}})
	var tea, never string
	a.MustCall(&tea, "remind", 4, "tea")
	a.MustCall(&never, "remind", 2, "never")
	var cancelled bool
	if a.MustCall(&cancelled, "cancel", never); !cancelled {
		t.Error("nothing was cancelled")
	}
	a.Advance(3 * time.Minute)
	var rings []Ring
	if a.MustCall(&rings, "rung"); len(rings) != 0 {
		t.Fatalf("early: %+v", rings)
	}
	a.Advance(time.Minute)
	a.MustCall(&rings, "rung")
	if len(rings) != 1 || rings[0].Text != "tea" || rings[0].Run != 1 {
		t.Errorf("rung %+v", rings)
	}
	var runs []guest.Run
	if a.MustCall(&runs, "history", tea); len(runs) != 1 || runs[0].Result != "ok" {
		t.Errorf("history %+v", runs)
	}
	if e := a.Events(); len(e) != 1 {
		t.Errorf("events %v", e)
	}
}

func TestDaily(t *testing.T) {
	noon := time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC)
	a := guesttest.New(t, "reminders", guesttest.Options{Key: []string{"ann"}, Now: noon})
	a.MustCall(nil, "daily", "run", "07:30", "Europe/Berlin")
	a.Advance(3 * 24 * time.Hour) // summer time begins on the second night
	var rings []Ring
	a.MustCall(&rings, "rung")
	want := []string{"2026-03-30T05:30:00Z", "2026-03-29T05:30:00Z", "2026-03-28T06:30:00Z"}
	if len(rings) != len(want) {
		t.Fatalf("rung %+v", rings)
	}
	for i, r := range rings {
		if at := r.At.UTC().Format(time.RFC3339); at != want[i] {
			t.Errorf("rung at %s, want %s", at, want[i])
		}
	}
	var list []guest.ScheduleInfo
	if a.MustCall(&list, "list"); len(list) != 1 || list[0].Name != "run" || list[0].Runs != 3 {
		t.Errorf("list %+v", list)
	}
	if err := a.Call(nil, "daily", "run", "7 o'clock", "UTC"); !errors.Is(err, guest.UserError("bad_time", "")) {
		t.Errorf("a wrong time: %v", err)
	}
	if err := a.Call(nil, "daily", "run", "07:30", "Europe/Nowhere"); abi.CodeOf(err) != abi.CodeInvalidSchedule {
		t.Errorf("a wrong zone: %v", err)
	}
	if err := a.Call(nil, "ring", "now"); !errors.Is(err, guest.UserError("not_for_clients", "")) {
		t.Errorf("ring by a client: %v", err)
	}
}
