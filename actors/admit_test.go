package actors_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// worker returns a plain module whose actions compute: "work" for some hundredths of a second, "nop" not at all,
// "endless" until its gas or its time is up.
func worker() []byte {
	var m wasmtest.Module
	action := func(name string, body wasmtest.Code) {
		m.Export(name, 0, m.Func(nil, wasmtest.T(wasmtest.I32), wasmtest.T(wasmtest.I32), body.I32Const(0)))
	}
	action("nop", nil)
	action("work", wasmtest.Code{}.I32Const(10_000_000).LocalSet(0).
		Loop(wasmtest.Empty).LocalGet(0).I32Const(1).Op(wasmtest.I32Sub).LocalTee(0).BrIf(0).Op(wasmtest.End))
	action("endless", wasmtest.Code{}.Loop(wasmtest.Empty).Br(0).Op(wasmtest.End))
	return m.Encode()
}

// openImpatient has a host that refuses as one does that has its machine to itself.
func openImpatient(t *testing.T) *actorstest.Stack {
	return actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.MaxWait = 0 }})
}

// A namespace that asks for more than its part of the host is refused what would wait too long; others are not.
func TestOverloadIsRefused(t *testing.T) {
	s := openImpatient(t)
	for _, ns := range []tenants.ID{"loud", "quiet"} {
		s.UploadBytes(ns, actors.UploadOptions{Module: "worker", Live: true}, worker())
	}
	quiet := s.Actor("quiet", "worker")
	loud := make([]tenants.ActorID, 128)
	for i := range loud {
		loud[i] = s.Actor("loud", "worker", fmt.Sprint(i))
		s.MustCall(loud[i], nil, "nop")
	}
	s.MustCall(loud[0], nil, "work")

	var wg sync.WaitGroup
	for _, id := range loud {
		wg.Go(func() {
			for s.Host.Load().Refused == 0 {
				if _, err := s.Call(id, "work"); err != nil && abi.CodeOf(err) != abi.CodeHostBusy {
					t.Errorf("work: %v", err)
				}
			}
		})
	}
	kvtest.Eventually(t, "work is refused", func() bool {
		s.MustCall(quiet, nil, "work")
		return s.Host.Load().Refused > 0
	})
	if _, _, err := s.Host.GetOrCreate(t.Context(), actorstest.Address(t, "quiet", "worker", "new"), actors.CreateOptions{}); err != nil {
		t.Errorf("a quiet namespace beside a loud one: %v", err)
	}
	wg.Wait()
	if told, load := s.Host.Stats().Load, s.Host.Load(); told != load {
		t.Errorf("the metrics are told %+v of %+v", told, load)
	}
	kvtest.Eventually(t, "the loud namespace is served again", func() bool { return s.Host.Admit("loud") == nil })
	s.MustCall(loud[0], nil, "nop")
}

// refusals say when to come again, whatever the door.
func TestRefusedAtEachDoor(t *testing.T) {
	s := openImpatient(t)
	s.UploadBytes("loud", actors.UploadOptions{Module: "worker", Live: true}, worker())
	id := s.Actor("loud", "worker", "idle")
	busy := make([]tenants.ActorID, 64)
	for i := range busy {
		busy[i] = s.Actor("loud", "worker", fmt.Sprint(i))
	}
	s.MustCall(busy[0], nil, "work")
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, id := range busy {
		wg.Go(func() {
			for ctx.Err() == nil {
				s.Host.Call(ctx, id, actors.Request{Action: "endless"}) // refused, left, or out of gas
			}
		})
	}
	for name, door := range map[string]func() error{
		"Admit":   func() error { return s.Host.Admit("loud") },
		"AdmitAt": func() error { return s.Host.AdmitAt(actorstest.Address(t, "loud", "worker", "0")) },
		"AdmitTo": func() error { return s.Host.AdmitTo(busy[0]) },
		"Call":    func() error { _, err := s.Call(id, "nop"); return err },
		"Create":  func() error { return create(s, fmt.Sprint(time.Now())) },
		"Connect": func() error {
			_, err := s.Host.Connect(t.Context(), id, actors.ConnectRequest{}, nil)
			return err
		},
		"Request": func() error {
			_, err := s.Host.Request(t.Context(), id, actors.RawRequest{})
			return err
		},
	} {
		kvtest.Eventually(t, name+" is refused", func() bool {
			err := door()
			return abi.CodeOf(err) == abi.CodeHostBusy && abi.AsError(err).Retry > 0
		})
	}
}

func create(s *actorstest.Stack, key string) error {
	k, err := tenants.NewKey(key)
	if err == nil {
		_, _, err = s.Host.GetOrCreate(context.Background(), tenants.Address{Namespace: "loud", Name: "worker", Key: k}, actors.CreateOptions{})
	}
	return err
}

// A request whose client leaves while its turn waits for a place is not run, and leaves nothing that waits.
func TestLeftRequestsAreNotRun(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.MaxInstances = 1 }})
	s.UploadBytes("ns", actors.UploadOptions{Module: "worker", Live: true}, worker())
	first, second := s.Actor("ns", "worker", "1"), s.Actor("ns", "worker", "2")
	holds, free := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Host.Call(holds, first, actors.Request{Action: "endless"}) }) // ends with its gas
	kvtest.Eventually(t, "the only place is taken", func() bool { return s.Host.InTurn(first) })
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := s.Host.Call(ctx, second, actors.Request{Action: "nop"}); left <- err }()
	kvtest.Eventually(t, "the second waits for a place", func() bool { return s.Host.Claims() == 1 })
	leave()
	if err := <-left; abi.CodeOf(err) != abi.CodeActionTimedOut {
		t.Errorf("who left got %v", err)
	}
	kvtest.Eventually(t, "nobody waits for the place", func() bool { return s.Host.Claims() == 0 })
	kvtest.Eventually(t, "the request is counted", func() bool { return s.Host.Load().Dropped == 1 })
	free()
	wg.Wait()
	s.MustCall(second, nil, "nop")
}
