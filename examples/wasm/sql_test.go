//go:build !wasip1

package wasm_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// database is SQLite behind libSQL's HTTP API, as far as a pipeline of statements goes.
type database struct {
	*httptest.Server
	db       *sql.DB
	requests atomic.Int32
	// before and after see each request, by its number from 1 on: false ends it without an answer.
	before, after func(n int32, w http.ResponseWriter, r *http.Request) bool
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	yes := func(int32, http.ResponseWriter, *http.Request) bool { return true }
	d := &database{db: db, before: yes, after: yes}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

type hranaValue struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value,omitempty"`
}

type hranaStep struct {
	Type string
	Stmt struct {
		SQL  string
		Args []hranaValue
	}
}

func (d *database) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := d.requests.Add(1)
	if r.Method != "POST" || r.URL.Path != "/v2/pipeline" || r.Header.Get("Authorization") != "Bearer db-t0ken" {
		http.Error(w, `{"message":"unauthorized"}`, http.StatusUnauthorized)
		return
	}
	if !d.before(n, w, r) {
		return
	}
	var body struct{ Requests []hranaStep }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	results := []any{}
	for _, s := range body.Requests {
		results = append(results, d.step(s))
	}
	if d.after(n, w, r) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"baton": nil, "base_url": nil, "results": results})
	}
}

// step runs one request of a pipeline.
func (d *database) step(s hranaStep) any {
	if s.Type == "close" {
		return map[string]any{"type": "ok", "response": map[string]any{"type": "close"}}
	}
	rows, err := d.execute(s)
	if err != nil {
		code := "SQL_INPUT_ERROR"
		if known := (*sqlite.Error)(nil); errors.As(err, &known) && known.Code() == 5 {
			code = "SQLITE_BUSY"
		}
		return map[string]any{"type": "error", "error": map[string]any{"message": err.Error(), "code": code}}
	}
	return map[string]any{"type": "ok", "response": map[string]any{"type": "execute", "result": map[string]any{"rows": rows}}}
}

func (d *database) execute(s hranaStep) (all [][]hranaValue, err error) {
	var args []any
	for _, a := range s.Stmt.Args {
		var text string
		if err := json.Unmarshal(a.Value, &text); err != nil {
			return nil, err
		}
		if a.Type == "integer" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, err
			}
			args = append(args, n)
			continue
		}
		args = append(args, text)
	}
	rows, err := d.db.Query(s.Stmt.SQL, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	for err == nil && rows.Next() {
		cells, to := make([]any, len(names)), make([]any, len(names))
		for i := range cells {
			to[i] = &cells[i]
		}
		if err = rows.Scan(to...); err == nil {
			all = append(all, encode(cells))
		}
	}
	return all, errors.Join(err, rows.Err())
}

func encode(cells []any) (row []hranaValue) {
	for _, c := range cells {
		v := hranaValue{Type: "null"}
		switch c := c.(type) {
		case int64:
			v = hranaValue{"integer", json.RawMessage(strconv.Quote(fmt.Sprint(c)))}
		case string:
			b, _ := json.Marshal(c)
			v = hranaValue{"text", b}
		}
		row = append(row, v)
	}
	return row
}

// count returns how many entries the table has.
func (d *database) count(t *testing.T) (n int) {
	t.Helper()
	if err := d.db.QueryRow("SELECT count(*) FROM entries").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// openLedger runs a host with the guest, whose namespace has set the token as a secret. Its folder may be that of an
// earlier host.
func openLedger(t *testing.T, dir string, d *database) (*actorstest.Stack, *actorstest.Clock) {
	t.Helper()
	vault, err := tenants.NewVault(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	clock := actorstest.NewClock()
	s := actorstest.Open(t, actorstest.Options{Dir: dir, Config: func(c *actors.Config) {
		c.AllowLoopback, c.Now = []string{strings.TrimPrefix(d.URL, "http://")}, clock.Now
		c.Registry.SetVault(vault)
		c.Secrets = c.Registry.SecretValue
	}})
	if dir != "" {
		return s, clock
	}
	s.Upload(tenants.Default, "sql", "examples/wasm/sql")
	_, _, err = s.Registry.PutSecret(t.Context(), tenants.Default, tenants.NewSecret{Name: "DB_TOKEN", Host: "127.0.0.1", Modules: []string{"sql"}, Value: []byte("db-t0ken")})
	if err == nil {
		_, err = s.Registry.SetConfig(t.Context(), tenants.Default, "sql", map[string]*string{"url": &d.URL})
	}
	if err == nil {
		_, err = s.Registry.SetGrants(t.Context(), tenants.Default, "sql", tenants.Grants{Egress: []string{d.URL}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, clock
}

// Entries go into a table and come out of it, whatever is in them: a parameter is never read as SQL.
func TestSQL(t *testing.T) {
	d := newDatabase(t)
	s, _ := openLedger(t, "", d)
	ann, bob := s.Actor(tenants.Default, "account", "ann"), s.Actor(tenants.Default, "account", "bob' OR 1=1 --")
	memos := []string{"rent", `'); DROP TABLE entries; --`, `" ? :a @b $c`, "", "größe 🙂\n\x00", strings.Repeat("x", 5000)}
	balance := 0
	for i, memo := range memos {
		var got int
		balance += i - 2
		if s.MustCall(ann, &got, "book", i-2, memo); got != balance {
			t.Errorf("after %q the balance is %d, want %d", memo, got, balance)
		}
		s.MustCall(bob, &got, "book", 1000, memo)
	}
	for i, memo := range memos {
		var rows [][]any
		s.MustCall(ann, &rows, "find", memo)
		if memo != "" && (len(rows) != 1 || rows[0][0] != float64(i-2) || rows[0][1] != memo) || memo == "" && len(rows) != len(memos) {
			t.Errorf("%q is found as %v", memo, rows)
		}
	}
	if n := d.count(t); n != 2*len(memos) {
		t.Errorf("the table has %d entries, want %d", n, 2*len(memos))
	}
	var same int
	if s.MustCall(bob, &same, "balance"); same != 1000*len(memos) {
		t.Errorf("bob's balance is %d", same)
	}
}

// A request whose answer is lost, or that the database has no time for, is made again, and its entry is there once.
func TestSQLIsAskedAgain(t *testing.T) {
	for name, fail := range map[string]func(d *database){
		"lost": func(d *database) {
			d.after = func(n int32, w http.ResponseWriter, _ *http.Request) bool {
				if n > 2 {
					return true
				}
				c, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					c.Close()
				}
				return false
			}
		},
		"overloaded": func(d *database) {
			d.before = func(n int32, w http.ResponseWriter, _ *http.Request) bool {
				if n <= 2 {
					http.Error(w, "later", http.StatusServiceUnavailable)
				}
				return n > 2
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDatabase(t)
			fail(d)
			s, clock := openLedger(t, "", d)
			id := s.Actor(tenants.Default, "account", "ann")
			done := make(chan error, 1)
			var balance int
			go func() { // ends with the answer
				out, err := s.Call(id, "book", 7, "rent")
				done <- errors.Join(err, json.Unmarshal(out, &balance))
			}()
			var err error
			kvtest.Eventually(t, "the answer", func() bool {
				select {
				case err = <-done:
					return true
				default:
					clock.Advance(time.Second)
					s.Host.Look()
					return false
				}
			})
			if n := d.count(t); err != nil || balance != 7 || n != 1 || d.requests.Load() != 3 {
				t.Errorf("got %d, %v; the table has %d entries after %d requests", balance, err, n, d.requests.Load())
			}
		})
	}
}

// A host that goes while the database has done its part, and has not answered, asks again when it is back.
func TestSQLOverARestart(t *testing.T) {
	d := newDatabase(t)
	written := make(chan struct{})
	d.after = func(n int32, _ http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			close(written)
			<-r.Context().Done()
		}
		return n > 1
	}
	s, _ := openLedger(t, "", d)
	id := s.Actor(tenants.Default, "account", "ann")
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() { // ends with ctx, or with the host
		defer close(gone)
		_, _ = s.Host.Call(ctx, id, actors.Request{Action: "book", Args: []byte(`[7,"rent"]`)})
	}()
	<-written
	dir := s.Dir
	cancel()
	<-gone
	s.Close()
	s, _ = openLedger(t, dir, d)
	kvtest.Eventually(t, "the balance", func() bool {
		var n int
		s.MustCall(id, &n, "balance")
		return n == 7
	})
	if n := d.count(t); n != 1 || d.requests.Load() != 2 {
		t.Errorf("the table has %d entries after %d requests", n, d.requests.Load())
	}
}

// What the database refuses is told to the client, without what nobody should see.
func TestSQLRefuses(t *testing.T) {
	d := newDatabase(t)
	s, _ := openLedger(t, "", d)
	id := s.Actor(tenants.Default, "account", "ann")
	for name, tt := range map[string]struct {
		prepare func() error
		want    string
	}{
		"a wrong token": {func() error {
			_, _, err := s.Registry.PutSecret(t.Context(), tenants.Default, tenants.NewSecret{Name: "DB_TOKEN", Host: "127.0.0.1", Value: []byte("wr0ng-token")})
			return err
		}, "the database answered 401"},
	} {
		if err := tt.prepare(); err != nil {
			t.Fatal(err)
		}
		_, err := s.Call(id, "book", 1, "x")
		if e := abi.AsError(err); e.Code != abi.CodeUser || e.PublicMessage() != tt.want || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
