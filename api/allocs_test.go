package api

import (
	"fmt"
	"io"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/tenants"
)

// most is how many allocations, of the whole process, a warm action over a WebSocket may take in the bare encoding. They took 55
// and 131: a bound goes down, or up with a reason.
var most = []struct {
	action, args string
	allocs       float64
}{
	{"nop", "[]", 58},
	{"increment", "[1]", 136},
}

// TestAllocationsOfATurn bounds them. The client takes none: it has its frames beforehand, and knows how long the answers are.
func TestAllocationsOfATurn(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	l.Upload(tenants.Default, "counter", "examples/wasm/counter")
	for _, m := range most {
		t.Run(m.action, func(t *testing.T) {
			c := dial(t, l.path("counter", m.action, "connect"), []string{"rivet", "rivet_encoding.bare"})
			if _, _, err := c.ReadMessage(); err != nil { // Init
				t.Fatal(err)
			}
			conn, frame := c.NetConn(), masked(wire.ClientOf("bare").Action(1, m.action, []byte(m.args)))
			head, answer := make([]byte, 2), make([]byte, 125)
			turn := func() {
				if _, err := conn.Write(frame); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(conn, head); err != nil || head[0] != 0x82 || head[1] > 125 {
					t.Fatal(fmt.Errorf("a frame that begins with %v: %w", head, err))
				}
				if _, err := io.ReadFull(conn, answer[:head[1]]); err != nil {
					t.Fatal(err)
				}
			}
			for range 100 {
				turn()
			}
			got := testing.AllocsPerRun(500, turn)
			t.Logf("%v allocations", got)
			if got > m.allocs {
				t.Errorf("%v allocations, of %v", got, m.allocs)
			}
		})
	}
}

// masked returns the frame of a short binary message, as a client sends it: with a mask of zeros it is what it was.
func masked(message []byte) []byte {
	return append([]byte{0x82, 0x80 | byte(len(message)), 0, 0, 0, 0}, message...)
}
