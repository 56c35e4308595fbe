package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/tenants"
)

// verified runs host verify and returns its exit code and the codes that it printed, sorted.
func verified(t *testing.T, data string) (exit int, codes []string) {
	t.Helper()
	var out, errs bytes.Buffer
	exit = run([]string{"verify", "--data", data}, &out, &errs)
	for line := range strings.Lines(out.String()) {
		if code, _, ok := strings.Cut(line, " "); ok && strings.Contains(code, "/") && !strings.HasPrefix(code, "/") {
			codes = append(codes, code)
		}
	}
	t.Logf("it printed %s%s", out.String(), errs.String())
	slices.Sort(codes)
	return exit, codes
}

func TestVerify(t *testing.T) {
	whole, _ := takeBackup(t)
	for _, tt := range []struct {
		name   string
		damage func(data string) error
		exit   int
		want   []string
	}{
		{"nothing", func(string) error { return nil }, 0, nil},
		{"the caches are gone", func(data string) error { return os.RemoveAll(filepath.Join(data, "sandbox")) }, 0, nil},
		{"a module is gone", func(data string) error { return onModule(data, os.Remove) }, 1, []string{"module/missing_file"}},
		{"a module has another byte", func(data string) error {
			return onModule(data, func(name string) error { return flipByte(name, 100) })
		}, 1, []string{"module/wrong_file"}},
		{"all modules are gone", func(data string) error { return os.RemoveAll(filepath.Join(data, moduleFolder)) }, 1, []string{"module/missing_file"}},
		{"a row of an actor is gone", func(data string) error {
			return changeActor(data, kv.Op{Key: []byte("m")})
		}, 1, []string{"actor/no_record"}},
		{"rows of an actor that nobody knows", func(data string) error {
			return changeActor(data, kv.Op{Key: []byte("?"), Value: []byte("?")}, kv.Op{Key: []byte("g?"), Value: []byte("12345678")})
		}, 1, []string{"actor/never_woken", "actor/unknown_row", "actor/unknown_row"}},
		{"a table is cut off", func(data string) error {
			tables, err := filepath.Glob(filepath.Join(data, storeFolder, "*.sst"))
			if err != nil || len(tables) == 0 {
				return fmt.Errorf("tables: %q, %v", tables, err)
			}
			return os.Truncate(tables[0], 100)
		}, 1, []string{"store/bad_table"}},
		{"the manifest is garbage", func(data string) error {
			return os.WriteFile(filepath.Join(data, storeFolder, "MANIFEST"), []byte("garbage, and more of it"), 0o600)
		}, 1, []string{"store/bad_manifest"}},
		{"the manifest is gone", func(data string) error { return os.Remove(filepath.Join(data, storeFolder, "MANIFEST")) }, 1, []string{"store/bad_manifest"}},
		{"the store is gone", func(data string) error { return os.RemoveAll(filepath.Join(data, storeFolder)) }, 1, nil},
		{"a newer format", func(data string) error {
			return os.WriteFile(filepath.Join(data, formatFile), []byte("vivarium data 3\n"), 0o600)
		}, exitFormat, nil},
		{"an unfinished restore", func(data string) error { return writeFormat(data, formatUnfinished) }, exitFormat, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			if err := restoreAgain(whole, data); err != nil {
				t.Fatal(err)
			}
			if err := tt.damage(data); err != nil {
				t.Fatal(err)
			}
			if exit, codes := verified(t, data); exit != tt.exit || !slices.Equal(codes, tt.want) {
				t.Errorf("exit code %d and %q, want %d and %q", exit, codes, tt.exit, tt.want)
			}
		})
	}
	if exit := run([]string{"verify"}, io.Discard, io.Discard); exit != 2 {
		t.Errorf("without a folder: exit code %d", exit)
	}
	wantFault(t, "data/no_store", "verify", "--data", t.TempDir())
}

// A host that runs has its store for itself.
func TestVerifyOfARunningHost(t *testing.T) {
	s := serve(t)
	before := snapshot(t, filepath.Join(s.data, moduleFolder))
	if exit, codes := verified(t, s.data); exit != 1 || codes != nil {
		t.Errorf("exit code %d and %q", exit, codes)
	}
	if after := snapshot(t, filepath.Join(s.data, moduleFolder)); len(after) != len(before) {
		t.Error("the folder was changed")
	}
	if !s.Ready() {
		t.Error("the host is not ready any more")
	}
	s.Kill()
	if exit, codes := verified(t, s.data); exit != 0 || codes != nil {
		t.Errorf("after a kill: exit code %d and %q", exit, codes)
	}
}

// A file may be whole and hold what does not agree: somebody made it. It is refused, and leaves nothing.
func TestRestoreRefusesWhatDoesNotAgree(t *testing.T) {
	_, file := takeBackup(t)
	without := func(drop func(key string) bool) func(*rewriter) {
		return func(r *rewriter) {
			r.row = func(it kv.Item) []kv.Item {
				if drop(string(it.Key)) {
					return nil
				}
				return []kv.Item{it}
			}
		}
	}
	for name, change := range map[string]func(*rewriter){
		"no modules":          func(r *rewriter) { r.modules = 0 },
		"no boot number":      without(func(key string) bool { return key == "mb" }),
		"no format":           without(func(key string) bool { return key == "mv" }),
		"no heads":            without(func(key string) bool { return strings.HasSuffix(key, "h") }),
		"no names":            without(func(key string) bool { return strings.HasPrefix(key, "c\x07defaultn") }),
		"no namespaces":       without(func(key string) bool { return strings.HasPrefix(key, "c\x01.") }),
		"no rows of any kind": without(func(key string) bool { return true }),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := filepath.Join(dir, "bad.backup")
			if err := os.WriteFile(bad, rewritten(t, file, change), 0o600); err != nil {
				t.Fatal(err)
			}
			wantFault(t, "backup/damaged", "restore", bad, "--data", filepath.Join(dir, "data"))
			if left := snapshot(t, dir); len(left) != 2 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// restoreAgain copies a data folder without its caches.
func restoreAgain(from, to string) error {
	for _, name := range []string{storeFolder, moduleFolder} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name))); err != nil {
			return err
		}
	}
	return claimFormat(to)
}

// onModule does something to the one module file of a data folder.
func onModule(data string, f func(name string) error) error {
	files, err := filepath.Glob(filepath.Join(data, moduleFolder, "*.wasm"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("modules: %q, %v", files, err)
	}
	return f(files[0])
}

func flipByte(name string, at int) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	b[at] ^= 1
	return os.WriteFile(name, b, 0o600)
}

// changeActor commits operations to the one actor of a data folder, past its host.
func changeActor(data string, ops ...kv.Op) error {
	s, err := badgerkv.Open(badgerkv.Config{Dir: filepath.Join(data, storeFolder)})
	if err != nil {
		return err
	}
	defer s.Close()
	k, err := tenants.NewKey("one")
	if err != nil {
		return err
	}
	ctx := context.Background()
	space, err := s.Lookup(ctx, string(tenants.Default), tenants.Address{Namespace: tenants.Default, Name: "plugin", Key: k}.Binding())
	if err != nil {
		return err
	}
	l, err := s.Claim(ctx, space)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	s.Commit(l, &kv.Delta{N: l.Pos + 1, Ops: ops}, func(err error) { done <- err })
	return <-done
}
