// Command floor is the least that a Go host could do for the requests that bench sends: net/http,
// JSON, a map of counters and a log with group commit. A host is read as a fraction of it.
//
// It takes the same requests as a host, byte for byte, ignores their tokens, and keeps one promise
// of a host's: the answer to an increment leaves after the increment is on disk. It owns no other
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
	log *groupLog
	all sync.Map // key to *counter
}

type counter struct {
	mu sync.Mutex // guards n, and orders its records in the log
	n  int64
}

func newCounters(w *groupLog) http.Handler {
	cs := &counters{log: w}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, []byte(`{"status":"ok"}`)) })
	mux.HandleFunc("POST /gateway/{name}/action/{action}", cs.act)
	return mux
}

// act answers an action: increment, get or nop.
func (cs *counters) act(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Args []int64 `json:"args"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil || json.Unmarshal(body, &in) != nil {
		http.Error(w, "bad body", http.StatusBadRequest)
		return
	}
	key := r.URL.Query().Get("rvt-key")
	v, ok := cs.all.Load(key)
	if !ok {
		v, _ = cs.all.LoadOrStore(key, &counter{})
	}
	c := v.(*counter)
	switch action := r.PathValue("action"); {
	case action == "nop":
		reply(w, []byte("{}"))
		return
	case action == "increment" && len(in.Args) == 1:
		c.mu.Lock()
		c.n += in.Args[0]
		n := c.n
		synced := cs.log.append(key, n)
		c.mu.Unlock()
		select {
		case <-synced:
			replyCount(w, n)
		case <-cs.log.failed:
			http.Error(w, "the log failed", http.StatusInternalServerError)
		}
	case action == "get":
		c.mu.Lock()
		n := c.n
		c.mu.Unlock()
		replyCount(w, n)
	default:
		http.Error(w, "no such action", http.StatusNotFound)
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
