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

// hostLines starts a host with the guests, as a line for each encoding.
func hostLines(t *testing.T) []line {
	t.Helper()
	k := testkit.Start(t, testkit.Options{Dir: filepath.Join("..", "examples", "wasm", "counter")})
	k.Install("room", testkit.Build(t, "room"))
	var lines []line
	for _, e := range encodings {
		lines = append(lines, line{name: e, addr: strings.TrimPrefix(k.URL(), "http://"), pid: os.Getpid(), codec: codecOf(e), paths: hostPaths})
	}
	return lines
}

// Every workload runs on the host, in every encoding.
func TestTalks(t *testing.T) {
	lines := hostLines(t)
	o := options{dur: 10 * time.Millisecond, warm: 2 * time.Millisecond, only: regexp.MustCompile("")}
	for _, w := range talks(o) {
		w.conns, w.subscribers = min(w.conns, 4), min(w.subscribers, 20)
		for _, l := range lines {
			r, err := w.load(t.Context(), o, l, 0, &result{})
			if err != nil || r.Requests == 0 || r.Errors != 0 {
				t.Errorf("%s, %s: %d requests, %d errors, %v", w.name, l.name, r.Requests, r.Errors, err)
			}
		}
	}
	bad := lines[0]
	bad.paths = map[string]string{"counter": "/gateway/nobody/connect?rvt-method=get&rvt-key=%s"}
	if _, err := bad.dial(t.Context(), "counter", "k", false); err == nil || !strings.Contains(err.Error(), "no Init") {
		t.Errorf("an actor that is not there: %v", err)
	}
}

func TestWireTables(t *testing.T) {
	o := options{runs: 1, dur: time.Second, only: regexp.MustCompile("^(nop|broadcast-100)$")}
	var results []result
	for _, w := range []string{"nop", "broadcast-100"} {
		for i, name := range []string{"workerd, json", "host, bare"} {
			results = append(results, result{Workload: w, Target: name, Rate: float64(1000 * (i + 1)), P50: 1, P99: 2, CPU: 1e-5, RSS: 10})
		}
	}
	page := wireTables(o, machine{OS: "linux/amd64"}, "workerd 1", results)
	for _, want := range []string{
		"# Connections and broadcasts, measured\n", " · workerd 1 · ", "| workload | server | deliveries/s |",
		"|  | host, bare | 2000 | 1.00 | 2.00 | 10.0 | 10.0 | 2.00 | 1.00 | 1.00 | 0 |\n",
		"| broadcast to 100 sockets, one message in flight | workerd, json | 1000 | 1.00 | 2.00 | 10.0 | 10.0 | – | – | – | 0 |\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}
