package density

import (
	"fmt"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// kind is a guest of which there are many actors.
type kind struct {
	title  string
	name   string // of the module and of its actors
	guest  string // a folder of the repository
	input  string // how the upload says that arguments come
	count  string // action that counts, durably
	look   string // action that writes nothing
	number string // arguments of count
}

var (
	tally  = kind{title: "Go", name: "tally", guest: "e2e/density/guest", count: "increment", number: "1", look: "get"}
	plugin = kind{title: "AssemblyScript", name: "plugin", guest: "examples/wasm/extism-as", input: "&input=value", count: "count", look: "echo"}
)

// request calls an action of an actor, which is made if there is none.
func (h *host) request(k kind, namespace, key, action, args string) []byte {
	body := `{"args":[` + args + `]}`
	return fmt.Appendf(nil, "POST /gateway/%s/action/%s?rvt-namespace=%s&rvt-method=getOrCreate&rvt-runner=default&rvt-crash-policy=sleep&rvt-key=%s HTTP/1.1\r\n"+
		"Host: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		k.name, action, namespace, key, h.Addr(), h.operator, len(body), body)
}

// counts returns the requests that count once in each of the actors [from, to).
func (h *host) counts(k kind, namespace string, from, to int) [][]byte {
	list := make([][]byte, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, h.request(k, namespace, fmt.Sprint(i), k.count, k.number))
	}
	return list
}

const (
	makers = 32     // connections that ask for new actors
	batch  = 20_000 // of them for each load
)

// populate makes the actors [from, to) of the default namespace, each with one count behind it.
func (h *host) populate(k kind, from, to int) {
	h.t.Helper()
	for ; from < to; from += batch {
		h.send(h.counts(k, "default", from, min(from+batch, to)), makers)
	}
}

// send sends each request until it is answered, over so many connections: a host with too much to do says so.
func (h *host) send(list [][]byte, conns int) {
	h.t.Helper()
	err := h.Await(5*time.Minute, 50*time.Millisecond, func() bool {
		done := make([]bool, len(list)) // each connection sets others
		_, err := load.Run(h.t.Context(), load.Config{
			Addr: h.Addr(), Conns: min(conns, len(list)), Requests: list,
			Check: func(_, i int, _ []byte) error { done[i] = true; return nil },
		})
		if err != nil && !strings.Contains(err.Error(), `"code":"service_busy"`) {
			h.t.Fatalf("%v: %s", err, h.Printed())
		}
		var rest [][]byte
		for i, r := range list {
			if !done[i] {
				rest = append(rest, r)
			}
		}
		list = rest
		return len(list) == 0
	})
	if err != nil {
		h.t.Fatalf("%d requests were not answered: %v", len(list), err)
	}
}

// asleep waits until no actor is awake.
func (h *host) asleep() {
	h.t.Helper()
	if err := h.Await(2*time.Minute, 200*time.Millisecond, func() bool { return h.metric("host_actors_awake") == 0 }); err != nil {
		h.t.Fatalf("the actors do not fall asleep: %v", err)
	}
}
