package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

// audited returns the routes in an audit log, in order.
func audited(t *testing.T, file string) (routes []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var l struct {
			Route, Subject string
			Status         int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		routes = append(routes, fmt.Sprintf("%s %d", l.Route, l.Status))
	}
	return routes
}

func TestAuditLog(t *testing.T) {
	dir := t.TempDir()
	data, key, file := filepath.Join(dir, "data"), filepath.Join(dir, "key"), filepath.Join(dir, "audit.log")
	host(t, "key", key)
	operator := host(t, "token", "--key-file", key, "--role", "operator", "--subject", "ops")
	begin := func() *process { return start(t, "serve", "--data", data, "--key-file", key, "--audit-log", file) }
	want := func(name string, routes ...string) {
		t.Helper()
		kvtest.Eventually(t, "the lines", func() bool { return len(audited(t, name)) >= len(routes) })
		if got := audited(t, name); strings.Join(got, ", ") != strings.Join(routes, ", ") {
			t.Errorf("%s has %q, want %q", name, got, routes)
		}
	}
	p := begin()
	p.request("POST", "/namespaces", operator, `{"name":"shop"}`)
	p.request("GET", "/namespaces", operator, nil)
	p.request("POST", "/namespaces", "", `{"name":"other"}`)
	want(file, "POST /namespaces 200", "POST /namespaces 401")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if log := p.Printed(); !strings.Contains(log, "audit=true") || !strings.Contains(log, "subject=ops") {
		t.Errorf("the host's log: %s", log)
	}

	// Who rotates it moves it away and says so.
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	p.request("DELETE", "/modules/one", operator, nil)
	want(file+".1", "POST /namespaces 200", "POST /namespaces 401", "DELETE /modules/{module} 404")
	if err := p.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.await("the file to be opened again", func() bool {
		p.request("DELETE", "/modules/two", operator, nil)
		return len(audited(t, file)) > 0
	})
	lines := len(audited(t, file))
	p.Kill()
	p = begin() // and goes on behind what is there
	p.request("DELETE", "/namespaces/shop?confirm=shop", operator, nil)
	kvtest.Eventually(t, "one more", func() bool { return len(audited(t, file)) == lines+1 })
}

func TestAuditLogRotates(t *testing.T) {
	dir := t.TempDir()
	f := auditFlags{file: filepath.Join(dir, "audit.log"), size: minAuditSize, files: 2}
	c := nodeConfig{data: filepath.Join(dir, "data"), log: slog.New(slog.DiscardHandler)}
	end, err := f.open(&c)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	line := append(bytes.Repeat([]byte("x"), 256<<10-1), '\n')
	for range 40 { // 10 MiB
		if _, err := c.audit.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	kvtest.Eventually(t, "old files to go", func() bool {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil && (info.Size() > minAuditSize || info.Mode().Perm() != 0o600) {
				t.Errorf("%s has %d bytes and mode %v", e.Name(), info.Size(), info.Mode())
			}
		}
		return len(entries) == 3
	})
}

func TestAuditLogRefuses(t *testing.T) {
	dir := t.TempDir()
	open, fifo := filepath.Join(dir, "open"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(open, nil, 0o644), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	good := auditFlags{file: filepath.Join(dir, "good"), size: minAuditSize, files: 1}
	for name, change := range map[string]func(*auditFlags){
		"others read it":     func(f *auditFlags) { f.file = open },
		"a pipe":             func(f *auditFlags) { f.file = fifo },
		"a folder":           func(f *auditFlags) { f.file = dir },
		"no folder":          func(f *auditFlags) { f.file = filepath.Join(dir, "none", "log") },
		"in the data folder": func(f *auditFlags) { f.file = filepath.Join(dir, "data", "audit") },
		"too small":          func(f *auditFlags) { f.size = 1 },
		"not whole":          func(f *auditFlags) { f.size = minAuditSize + 1 },
		"keeps nothing":      func(f *auditFlags) { f.files = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			f := good
			change(&f)
			c := nodeConfig{data: filepath.Join(dir, "data"), log: slog.New(slog.DiscardHandler)}
			if end, err := f.open(&c); err == nil {
				end()
				t.Error("it is taken")
			}
		})
	}
}

// Whatever a stranger writes, a record is one line that moves no cursor: in the host's log, of both kinds, and where guests' lines
// are shown.
func TestRecordsAreLines(t *testing.T) {
	for name, text := range map[string]string{
		"line ends": "x\nlevel=ERROR msg=forged\r\n{\"msg\":\"forged\"}", "unicode line ends": "x\u2028forged\u2029forged\u0085forged\vforged",
		"ANSI": "\x1b[2J\x1b]0;t\x07\u009b31m", "bidirectional": "x\u202etxt\u2066y\u200f", "NUL": "a\x00b", "not UTF-8": "a\xff\xfe\xc3",
		"huge": strings.Repeat("huge", 100_000), "what takes no room": "a\u200b\ufeffb",
	} {
		for kind, say := range map[string]func(*ui){
			"the log, text": func(u *ui) { say(t, u, text) },
			"the log, JSON": func(u *ui) { u.json = true; say(t, u, text) },
			"host dev": func(u *ui) {
				(&dev{ui: u}).guestLine(actors.Info{}, actors.LogLine{Level: "info", Source: "log", Text: text})
			},
			"host dev, JSON": func(u *ui) {
				u.json = true
				(&dev{ui: u}).guestLine(actors.Info{}, actors.LogLine{Level: "info", Source: "log", Text: text})
			},
			"host logs":             func(u *ui) { printLine(u, actors.LogLine{Level: "info", Source: "log", Text: text}) },
			"host logs, of a liar":  func(u *ui) { printLine(u, actors.LogLine{Level: text, Source: text, Text: "x"}) },
			"host logs, JSON":       func(u *ui) { u.json = true; printLine(u, actors.LogLine{Text: text}) },
			"an error of the guest": func(u *ui) { fmt.Fprintln(u.out, logOf(errors.New(text))) },
		} {
			t.Run(name+" in "+kind, func(t *testing.T) {
				var out bytes.Buffer
				u := &ui{out: &out, err: &out}
				say(u)
				got := out.String()
				if strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
					t.Fatalf("%d lines: %.200q", strings.Count(got, "\n"), got)
				}
				for _, r := range strings.TrimSuffix(got, "\n") {
					if !unicode.IsPrint(r) {
						t.Fatalf("%q is in %.200q", r, got)
					}
				}
				if !u.json && len(got) > 100<<10 {
					t.Errorf("%d bytes", len(got))
				}
			})
		}
	}
}

// say logs a text as each part of a record.
func say(t *testing.T, u *ui, text string) {
	t.Helper()
	log, err := newLogger(u, "debug")
	if err != nil {
		t.Fatal(err)
	}
	log.With("with", text).Info(text, "string", text, "error", fmt.Errorf("wrapped: %w", errors.New(text)), "any", []string{text}, slog.Group("g", "in", text))
}

func logOf(err error) string {
	var out bytes.Buffer
	log, _ := newLogger(&ui{err: &out, out: io.Discard}, "info")
	log.Info("failed", "error", err)
	return strings.TrimSuffix(out.String(), "\n")
}
