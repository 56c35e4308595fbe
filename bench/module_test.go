package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// dropper is a module with data segments that code names.
func dropper(segments ...string) []byte {
	var m wasmtest.Module
	m.Memory = wasmtest.Limits(1)
	m.Func(nil, nil, nil, wasmtest.Code{}.DataDrop(0))
	for _, s := range segments {
		m.PassiveData(s)
	}
	m.DataCount(uint32(len(segments)))
	m.Tail(wasmtest.Custom("name", nil))
	return m.Encode()
}

func TestStamped(t *testing.T) {
	got, err := stamped(dropper("a"), "one")
	if want := dropper("a", "one"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}
	guest, err := os.ReadFile(filepath.Join("guest-as", "bench.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := stamped(guest, "one"); err != nil || len(got) < len(guest)+len("one")+2 {
		t.Errorf("a guest of %d bytes: %d with a stamp, %v", len(guest), len(got), err)
	}
	for name, b := range map[string][]byte{"no data": []byte(wasmtest.Header), "cut off": guest[:len(guest)-1], "no count": append([]byte(wasmtest.Header), dataSection, 0)} {
		if _, err := stamped(b, "x"); err == nil {
			t.Errorf("%s: a stamp", name)
		}
	}
}
