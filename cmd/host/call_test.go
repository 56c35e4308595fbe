package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/kv/kvtest"
)

// A command listens to an actor, over a kill of the host, until it has heard enough.
func TestListen(t *testing.T) {
	s := serve(t)
	s.upload(s.token("deploy", "default"), "kitchen", "guest-sdk/testguests/kitchen")
	invoke := s.token("invoke", "default")
	url := s.URL
	var out, errs kvtest.Log
	ended := make(chan int, 1)
	flags := []string{"--key", "a,b", "--url", url, "--token", invoke}
	go func() {
		ended <- run(append([]string{"listen", "kitchen", "count", "other", "--count", "3", "--params", `{"name":"ann"}`, "--json"}, flags...), &out, &errs)
	}()
	// Nothing tells when a subscription has arrived, so it calls until it is heard.
	hear := func(want int) {
		t.Helper()
		s.await(fmt.Sprint("event ", want), func() bool {
			host(t, append([]string{"call", "kitchen", "inc", "1"}, flags...)...)
			return strings.Count(out.String(), "\n") >= want
		})
	}
	s.await("a connection", func() bool { return strings.Contains(errs.String(), "connected") })
	hear(1)
	s.Kill()
	s.process = launch(t, url, exec.Command(os.Args[0], "serve", "--data", s.data, "--key-file", s.key, "--listen", strings.TrimPrefix(url, "http://")))
	s.awaitReady()
	hear(3)
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if n := strings.Count(errs.String(), "host: connected\n"); n < 2 || !strings.Contains(errs.String(), "host: connecting again: client: ") {
		t.Errorf("it said %s", errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := 0
	for _, line := range lines {
		var e struct {
			Event string
			Args  [2]json.RawMessage
		}
		var n int
		if err := json.Unmarshal([]byte(line), &e); err != nil || json.Unmarshal(e.Args[0], &n) != nil || n <= last || e.Event != "count" || string(e.Args[1]) != `{"by":1}` {
			t.Errorf("it printed %s, %v", line, err)
		}
		last = n
	}
	if len(lines) != 3 {
		t.Errorf("it printed %d lines", len(lines))
	}

	var text, why bytes.Buffer
	if code := run(append([]string{"listen", "kitchen", "count", "--params", `{"name":"stranger"}`}, flags...), &text, &why); code != 1 || !strings.Contains(why.String(), "no entry (user/forbidden)") {
		t.Errorf("a stranger: code %d, %s", code, why.String())
	}
	if code := run(append([]string{"call", "kitchen", "fail", "--json"}, flags...), &text, &why); code != 1 || !strings.Contains(why.String(), `{"group":"user","code":"bad_name","message":"bad name","metadata":{"min":3},"request_id":"`) {
		t.Errorf("a call that fails: code %d, %s", code, why.String())
	}
	if text.Len() > 0 {
		t.Errorf("they printed %s", text.String())
	}
}
