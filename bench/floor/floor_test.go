package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFloor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := createLog(path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(newCounters(w))
	defer s.Close()
	post := func(key, action, body string) string {
		resp, err := http.Post(s.URL+"/gateway/counter/action/"+action+"?rvt-method=getOrCreate&rvt-key="+key, "application/json", strings.NewReader(body))
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body) // a cut body is a wrong answer
		return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(b)))
	}
	const callers, each = 8, 25
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range each {
				if got := post(fmt.Sprint("k", i%2), "increment", `{"args":[1]}`); !strings.HasPrefix(got, `200 {"output":`) {
					t.Errorf("increment: %s", got)
				}
			}
		})
	}
	wg.Wait()
	for _, tt := range []struct{ action, body, want string }{
		{"get", `{"args":[]}`, fmt.Sprintf(`200 {"output":%d}`, callers*each/2)},
		{"nop", `{"args":[]}`, "200 {}"},
		{"increment", `{"args":[]}`, "404 no such action"},
		{"increment", `{`, "400 bad body"},
		{"put", `{"args":["hello"]}`, "200 {}"},
		{"size", `{"args":[]}`, `200 {"output":5}`},
	} {
		if got := post("k1", tt.action, tt.body); got != tt.want {
			t.Errorf("%s %s = %s, want %s", tt.action, tt.body, got, tt.want)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	checkLog(t, path, callers*each+1)
}

// checkLog reads the log: all records, and each key's counts in order. A record with a text counts nothing.
func checkLog(t *testing.T, path string, want int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]uint64{}
	r, got := bytes.NewReader(b), 0
	for ; r.Len() > 0; got++ {
		var length uint32
		var n uint64
		binary.Read(r, binary.LittleEndian, &length)
		key := make([]byte, length)
		io.ReadFull(r, key)
		if err := binary.Read(r, binary.LittleEndian, &n); err != nil {
			t.Fatalf("record %d: %v", got, err)
		}
		binary.Read(r, binary.LittleEndian, &length)
		text := make([]byte, length)
		io.ReadFull(r, text)
		if string(text) != "" && string(text) != "hello" {
			t.Fatalf("record %d has the text %q", got, text)
		}
		if n != last[string(key)]+uint64(1-len(text)/5) {
			t.Fatalf("record %d: %s is %d after %d", got, key, n, last[string(key)])
		}
		last[string(key)] = n
	}
	if got != want {
		t.Errorf("%d records in the log, want %d", got, want)
	}
}
