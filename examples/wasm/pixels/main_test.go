package main

import (
	"bytes"
	"errors"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func socket(t *testing.T, a *guesttest.Actor) *guesttest.Client {
	t.Helper()
	s, err := a.Socket("/websocket/v1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// one returns the only message that a socket got.
func one(t *testing.T, s *guesttest.Client) guest.Frame {
	t.Helper()
	f := s.Frames()
	if len(f) != 1 {
		t.Fatalf("%d messages, want 1: %v", len(f), f)
	}
	return f[0]
}

func TestPaint(t *testing.T) {
	a := guesttest.New(t, "pixels", guesttest.Options{})
	ann, bob := socket(t, a), socket(t, a)
	blank := append([]byte{opPicture, width, height}, make([]byte, width*height)...)
	if f := one(t, ann); f.Text || !bytes.Equal(f.Data, blank) {
		t.Errorf("the first message is %v", f)
	}
	one(t, bob)
	paint := []byte{opPaint, 3, 2, 200}
	if err := ann.SendBytes(paint); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*guesttest.Client{"ann": ann, "bob": bob} {
		if f := one(t, s); !bytes.Equal(f.Data, paint) {
			t.Errorf("%s got %v", name, f)
		}
	}
	a.Forget()
	if err := bob.SendBytes([]byte{opPicture}); err != nil {
		t.Fatal(err)
	}
	blank[3+2*width+3] = 200
	if f := one(t, bob); !bytes.Equal(f.Data, blank) {
		t.Errorf("the picture is %v", f.Data)
	}
	if f := ann.Frames(); len(f) != 0 {
		t.Errorf("ann, who did not ask, got %v", f)
	}
}

func TestEcho(t *testing.T) {
	s := socket(t, guesttest.New(t, "pixels", guesttest.Options{}))
	one(t, s)
	for _, m := range [][]byte{{opEcho}, {opEcho, 0, 255, 7}, append([]byte{opEcho}, make([]byte, 4000)...)} {
		if err := s.SendBytes(m); err != nil {
			t.Fatal(err)
		}
		if f := one(t, s); f.Text || !bytes.Equal(f.Data, m) {
			t.Errorf("echo of %d bytes is %v", len(m), f)
		}
	}
	if err := s.SendText("grüße"); err != nil {
		t.Fatal(err)
	}
	if f := one(t, s); !f.Text || string(f.Data) != "grüße" {
		t.Errorf("echo of a text is %v", f)
	}
}

// What the protocol does not know ends that socket and no other.
func TestProtocol(t *testing.T) {
	a := guesttest.New(t, "pixels", guesttest.Options{})
	witness := socket(t, a)
	one(t, witness)
	for name, m := range map[string][]byte{
		"empty":              {},
		"unknown":            {9},
		"short":              {opPaint, 1, 2},
		"long":               {opPaint, 1, 2, 3, 4},
		"outside":            {opPaint, width, 0, 1},
		"outside below":      {opPaint, 0, height, 1},
		"picture with bytes": {opPicture, 0},
	} {
		s := socket(t, a)
		if err := s.SendBytes(m); err != nil || s.Open() {
			t.Errorf("%s: open %v, %v", name, s.Open(), err)
		}
	}
	if !witness.Open() || len(witness.Frames()) != 0 {
		t.Error("another socket noticed")
	}
	if _, err := a.Socket("/websocket/v2"); !errors.Is(err, guest.UserError("no_such_protocol", "")) {
		t.Errorf("/v2: %v", err)
	}
}
