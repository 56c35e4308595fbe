// Command floor is the least that a Go host could do for the requests that bench sends: net/http,
// WebSockets, JSON, a map of counters and a log with group commit. A host is read as a fraction of it.
//
// It takes the same requests as a host, byte for byte, ignores their tokens, and keeps one promise
// of a host's: the answer to what is stored leaves after it is on disk. It owns no other
// idea: no actors, no turns, no isolation and no way to read its log again.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "floor: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:0", "loopback address to listen on")
	path := flag.String("log", "", "new file of the log")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	defer l.Close()
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return errors.New("it checks no tokens and listens on loopback only")
	}
	w, err := createLog(*path)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	s := &http.Server{Handler: newCounters(w)}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }() // ends with Shutdown
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("listening", "url", "http://"+l.Addr().String())
	select {
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			return err // requests still append to the log, which ends with the process
		}
		return w.close()
	case err := <-served:
		return err
	case <-w.failed:
		return w.err
	}
}

// counters are all that the floor keeps.
type counters struct {
	log   *groupLog
	all   sync.Map // key to *counter
	rooms sync.Map // key to *room
}

type counter struct {
	mu   sync.Mutex // guards n and text, and orders their records in the log
	n    int64
	text string
}

// counter finds or makes the counter of a key.
func (cs *counters) counter(key string) *counter {
	v, ok := cs.all.Load(key)
	if !ok {
		v, _ = cs.all.LoadOrStore(key, &counter{})
	}
	return v.(*counter)
}

// add adds to a counter and returns what it then is, with a channel that is closed once that is on disk.
func (cs *counters) add(c *counter, key string, by int64) (int64, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += by
	return c.n, cs.log.append(key, c.n, "")
}

// put keeps a text, and returns such a channel.
func (cs *counters) put(c *counter, key, text string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = text
	return cs.log.append(key, c.n, text)
}

// wait returns false if the log failed.
func (cs *counters) wait(synced <-chan struct{}) bool {
	select {
	case <-synced:
		return true
	case <-cs.log.failed:
		return false
	}
}

func newCounters(w *groupLog) http.Handler {
	cs := &counters{log: w}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, []byte(`{"status":"ok"}`)) })
	mux.HandleFunc("POST /gateway/{name}/action/{action}", cs.act)
	mux.HandleFunc("GET /gateway/{name}/connect", cs.connect)
	return mux
}

// act answers an action: nop, increment, get, put or size.
func (cs *counters) act(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Args []json.RawMessage `json:"args"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || json.Unmarshal(body, &in) != nil {
		http.Error(w, "bad body", http.StatusBadRequest)
		return
	}
	key := r.URL.Query().Get("rvt-key")
	c := cs.counter(key)
	var by int64
	var text string
	switch action := r.PathValue("action"); {
	case action == "nop":
		reply(w, []byte("{}"))
	case action == "increment" && only(in.Args, &by):
		n, synced := cs.add(c, key, by)
		replyStored(w, cs.wait(synced), n)
	case action == "put" && only(in.Args, &text):
		replyStored(w, cs.wait(cs.put(c, key, text)), -1)
	case action == "get":
		c.mu.Lock()
		n := c.n
		c.mu.Unlock()
		replyCount(w, n)
	case action == "size":
		c.mu.Lock()
		n := len(c.text)
		c.mu.Unlock()
		replyCount(w, int64(n))
	default:
		http.Error(w, "no such action", http.StatusNotFound)
	}
}

// maxBody is the most bytes of a request's body.
const maxBody = 1 << 20

// only reads the one argument that there must be.
func only[T any](args []json.RawMessage, to *T) bool {
	return len(args) == 1 && json.Unmarshal(args[0], to) == nil
}

// replyStored answers once something is on disk: with a count, or with nothing if it is negative.
func replyStored(w http.ResponseWriter, ok bool, n int64) {
	switch {
	case !ok:
		http.Error(w, "the log failed", http.StatusInternalServerError)
	case n < 0:
		reply(w, []byte("{}"))
	default:
		replyCount(w, n)
	}
}

func replyCount(w http.ResponseWriter, n int64) {
	b := append(make([]byte, 0, 32), `{"output":`...)
	reply(w, append(strconv.AppendInt(b, n, 10), '}'))
}

func reply(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}
