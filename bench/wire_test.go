package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/testkit"
)

var encodings = []string{"bare", "cbor", "json"}

// payload is the message of a client's short frame.
func payload(t *testing.T, frame []byte) []byte {
	t.Helper()
	switch {
	case len(frame) > 6 && frame[1] == 0x80|byte(len(frame)-6):
		return frame[6:]
	case len(frame) > 8 && frame[1] == 0x80|126:
		return frame[8:]
	}
	t.Fatalf("no frame: %x", frame)
	return nil
}

// What the load says is what the host's codec reads.
func TestCodecAsks(t *testing.T) {
	for _, encoding := range encodings {
		c := codecOf(encoding)
		for _, id := range []int{0, 127, 128, 70_000} {
			got, err := c.Parse(payload(t, c.call("say", `[7,"hello"]`).appendFrame(nil, id)))
			if want := (wire.ClientMessage{ID: uint64(id), Name: "say", Args: []byte(`[7,"hello"]`)}); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, %v; want %+v", encoding, got, err, want)
			}
		}
		got, err := c.Parse(c.subscribe("said"))
		if want := (wire.ClientMessage{Event: "said", Subscribe: true}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", encoding, got, err, want)
		}
	}
}

// What it is told is taken only if it is right.
func TestCodecReads(t *testing.T) {
	for _, encoding := range encodings {
		c := codecOf(encoding)
		for _, n := range []string{"1", "24", "300", "4294967296"} {
			if got, err := c.count(9, c.Response(9, []byte(n))); err != nil || n != "4294967296" && got < 1 {
				t.Errorf("%s: count %s is %d, %v", encoding, n, got, err)
			}
		}
		if err := c.isInit(c.Init("an actor", "a connection")); err != nil {
			t.Errorf("%s: %v", encoding, err)
		}
		failure := c.Failure(wire.Failure{Group: "actor", Code: "overloaded"})
		for what, m := range map[string][]byte{"nothing": {}, "another answer": c.Response(8, []byte("1")), "no value": c.Response(9, nil), "zero": c.Response(9, []byte("0")), "text": c.Response(9, []byte(`"1"`)), "an error": failure} {
			if n, err := c.count(9, m); err == nil {
				t.Errorf("%s: %s is the count %d", encoding, what, n)
			}
			if err := c.nothing(9, m); (err == nil) != (what == "no value") {
				t.Errorf("%s: %s is no value: %v", encoding, what, err)
			}
			if c.isInit(m) == nil {
				t.Errorf("%s: %s is an Init", encoding, what)
			}
		}
	}
}

// hostTargets starts a host with the guests, as the targets of a run.
func hostTargets(t *testing.T) []target {
	t.Helper()
	k := testkit.Start(t, testkit.Options{Dir: filepath.Join("..", "examples", "wasm", "counter")})
	k.Install("bench", testkit.Build(t, "guest"))
	wasm, err := os.ReadFile(filepath.Join("guest-as", "bench.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	k.Install("bench-as", wasm)
	s := &server{kind: kindHost, addr: strings.TrimPrefix(k.URL(), "http://"), pid: os.Getpid()}
	list := []target{{server: s, name: "host, Go", actors: goActors()}, {server: s, name: "host, AssemblyScript", actors: asActors()}}
	for _, e := range encodings {
		list = append(list, target{server: s, name: "host, Go, " + e, actors: goActors(), codec: codecOf(e)})
	}
	return append(list, target{server: s, name: "host, AssemblyScript, json", actors: asActors(), codec: codecOf("json")})
}

// Every workload runs on the host, with each guest and in each encoding, but those that start the process again, upload
// to it or wait for moments.
func TestWorkloads(t *testing.T) {
	targets := hostTargets(t)
	o := options{form: forms[len(forms)-1], runs: 1, dur: 10 * time.Millisecond, warm: 2 * time.Millisecond, newActors: 20, first: 5, only: regexp.MustCompile("")}
	for _, w := range workloads(o) {
		switch m := w.measurer.(type) {
		case ask:
			m.actors, m.conns, m.others = min(m.actors, 8), min(m.conns, 4), min(m.others, 3)
			w.measurer = m
		case talk:
			m.conns, m.subscribers = min(m.conns, 4), min(m.subscribers, 20)
			w.measurer = m
		default:
			continue
		}
		for _, to := range targets {
			if !w.fits(to) {
				continue
			}
			r := result{Workload: w.name}
			if err := w.measure(t.Context(), o, to, 0, &r); err != nil || r.Requests == 0 || r.Errors != 0 {
				t.Errorf("%s, %s: %d requests, %d errors, %v", w.name, to.name, r.Requests, r.Errors, err)
			}
		}
	}
	wakes(t, targets[:2])
	bad := targets[2]
	bad.actors = all("nobody", "nop")
	if _, err := bad.dial(t.Context(), "nop", "k", false); err == nil || !strings.Contains(err.Error(), "no Init") {
		t.Errorf("an actor that is not there: %v", err)
	}
}

// wakes wants an actor that was told to rest to be woken, and to say so.
func wakes(t *testing.T, targets []target) {
	t.Helper()
	o := options{runs: 2}
	for _, to := range targets {
		to.server = &server{kind: kindFloor, addr: to.addr, pid: to.pid} // the metrics of this host are not asked
		w := wake{actors: 3}
		if err := w.prepare(t.Context(), o, to); err != nil {
			t.Fatal(err)
		}
		for run := range o.runs {
			r := result{}
			if err := w.measure(t.Context(), o, to, run, &r); err != nil || r.Requests != 3 {
				t.Errorf("%s, run %d: %d woke, %v", to.name, run, r.Requests, err)
			}
		}
	}
}
