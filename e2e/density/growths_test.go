package density

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/vivarium-run/vivarium/bench/load"
)

// one returns increments of one actor. Several connections ask it at a time.
func (h *host) one(key string) [][]byte {
	return [][]byte{h.request(tally, "default", key, tally.count, tally.number)}
}

// some returns increments of as many actors as there are connections.
func (h *host) some() [][]byte { return h.counts(tally, "default", 0, askers) }

// actorsGrow has stores with so many sleeping actors.
func actorsGrow(stores []*store) *growth {
	g := &growth{title: "Sleeping actors in the store", what: "actors"}
	for _, s := range stores {
		g.cells = append(g.cells, &cell{host: s.host, size: s.size, requests: s.some()})
	}
	return g
}

// itemsGrow has actors with so many KV items, on one host.
func itemsGrow(h *host, sizes []int) *growth {
	g := &growth{title: "KV items of the actor", what: "items"}
	for _, n := range sizes {
		key := fmt.Sprint("items-", n)
		var fill [][]byte
		for from := 0; from < n; from += 5000 { // a turn writes no more than 10,000
			fill = append(fill, h.request(tally, "default", key, "fill", fmt.Sprintf("%d,%d", from, min(from+5000, n))))
		}
		h.send(fill, makers)
		g.cells = append(g.cells, &cell{host: h, size: n, requests: h.one(key)})
	}
	return g
}

// turnsGrow has actors with so many turns behind them, on one host.
func turnsGrow(h *host, sizes []int) *growth {
	g := &growth{title: "Turns that the actor has done", what: "turns"}
	for _, n := range sizes {
		c := &cell{host: h, size: n, requests: h.one(fmt.Sprint("turns-", n))}
		for left := n; left > 0; left -= batch {
			h.send(slices.Repeat(c.requests, min(left, batch)), makers)
		}
		g.cells = append(g.cells, c)
	}
	return g
}

// namespacesGrow has hosts with so many namespaces, each with a live module and an actor.
func namespacesGrow(t *testing.T, sizes []int) *growth {
	g := &growth{title: "Namespaces, each with a live module and an actor", what: "namespaces"}
	for _, n := range sizes {
		h := openHost(t)
		var first [][]byte
		for i := 1; i < n; i++ {
			ns := fmt.Sprint("other-", i)
			h.namespace(ns)
			h.upload(plugin, ns)
			first = append(first, h.counts(plugin, ns, 0, 1)...)
		}
		if len(first) > 0 {
			h.send(first, makers)
		}
		g.cells = append(g.cells, &cell{host: h, size: n, requests: h.some()})
	}
	return g
}

func (h *host) namespace(name string) {
	h.t.Helper()
	h.ask("POST", "/namespaces", fmt.Sprintf(`{"name":%q}`, name), nil)
}

// Sockets are spread over actors, and over namespaces: half of what a host takes is for one.
const (
	socketsPerActor = 100
	socketSpaces    = 4
)

// socketsGrow has hosts with so many sockets to other actors, of other namespaces.
func socketsGrow(t *testing.T, sizes []int) *growth {
	g := &growth{title: "Sockets of other actors", what: "sockets"}
	for _, n := range sizes {
		h := openHost(t)
		for i := range socketSpaces {
			h.namespace(fmt.Sprint("space-", i))
			h.upload(tally, fmt.Sprint("space-", i))
		}
		for i := range n {
			h.socket(fmt.Sprint("space-", i%socketSpaces), fmt.Sprint(i/socketSpaces/socketsPerActor))
		}
		g.cells = append(g.cells, &cell{host: h, size: n, requests: h.some(), sockets: n})
	}
	return g
}

// socket opens a connection to an actor, which answers pings until the test ends.
func (h *host) socket(namespace, key string) {
	h.t.Helper()
	target := fmt.Sprintf("/gateway/%s/connect?rvt-namespace=%s&rvt-method=getOrCreate&rvt-runner=default&rvt-crash-policy=sleep&rvt-key=%s&rvt-token=%s", tally.name, namespace, key, h.operator)
	s, err := load.DialSocket(h.t.Context(), h.Addr(), target, "Sec-WebSocket-Protocol: rivet, rivet_encoding.json\r\n")
	if err == nil {
		err = begun(s)
	}
	if err != nil {
		h.t.Fatalf("socket: %v: %s", err, h.Printed())
	}
	h.t.Cleanup(s.Close)
	go s.Idle() // ends with the socket
}

// begun reads the message that begins a connection.
func begun(s *load.Socket) error {
	message, err := s.Read()
	if err != nil {
		return err
	}
	var m struct {
		Body struct {
			Tag string
		}
	}
	if err := json.Unmarshal(message, &m); err != nil || m.Body.Tag != "Init" {
		return fmt.Errorf("a connection begins with %.200s", message)
	}
	return nil
}
