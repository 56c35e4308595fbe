package main

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// snapshot returns what is in a folder: each name with its kind, time and, of a file, its bytes.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String() + " " + info.ModTime().String()
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(b)
		}
		all[path] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A folder that is not this program's is refused with a code of its own, and stays as it is.
func TestFormatIsRefused(t *testing.T) {
	write := func(text string) func(string) error {
		return func(file string) error { return os.WriteFile(file, []byte(text), 0o600) }
	}
	for _, tt := range []struct {
		name string
		make func(file string) error
		code string
	}{
		{"newer", write("vivarium data 3\n"), "data/newer_format"},
		{"much newer", write("vivarium data 999999999\n"), "data/newer_format"},
		{"past all numbers", write("vivarium data 99999999999999999999999\n"), "data/not_a_format"},
		{"zero", write("vivarium data 0\n"), "data/not_a_format"},
		{"negative", write("vivarium data -1\n"), "data/not_a_format"},
		{"another writing of 1", write("vivarium data +1\n"), "data/not_a_format"},
		{"without a line end", write("vivarium data 1"), "data/not_a_format"},
		{"two lines", write("vivarium data 1\nvivarium data 2\n"), "data/not_a_format"},
		{"empty", write(""), "data/not_a_format"},
		{"garbage", write("\x00\xff\x00\xff"), "data/not_a_format"},
		{"huge", write("vivarium data 1\n" + strings.Repeat(" ", 1<<20)), "data/not_a_format"},
		{"a folder", func(file string) error { return os.Mkdir(file, 0o700) }, "data/not_a_format"},
		{"a pipe that nobody writes to", func(file string) error { return syscall.Mkfifo(file, 0o600) }, "data/not_a_format"},
		{"a link to nowhere", func(file string) error { return os.Symlink("nowhere", file) }, "data/not_a_format"},
		{"an unfinished restore", write("vivarium data unfinished\n"), "data/unfinished"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			key := filepath.Join(dir, "key")
			run([]string{"key", key}, new(bytes.Buffer), new(bytes.Buffer))
			data := filepath.Join(dir, "data")
			if err := os.Mkdir(data, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := tt.make(filepath.Join(data, formatFile)); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, data)
			for _, args := range [][]string{
				{"serve", "--data", data, "--key-file", key, "--listen", "127.0.0.1:0", "--json"},
				{"dev", "--data", data, "--listen", "127.0.0.1:0", "--json"},
			} {
				var stderr bytes.Buffer
				if exit := run(args, new(bytes.Buffer), &stderr); exit != exitFormat {
					t.Errorf("%s: exit code %d, want %d", args[0], exit, exitFormat)
				}
				if !strings.Contains(stderr.String(), `"code":"`+tt.code+`"`) {
					t.Errorf("%s: it printed %s, want the code %s", args[0], stderr.String(), tt.code)
				}
			}
			if after := snapshot(t, data); !maps.Equal(after, before) {
				t.Errorf("the folder was changed: %q, before %q", after, before)
			}
		})
	}
}

// A folder of an older format, and of the first builds, which has no format file, is opened with what it has and is of the
// new format from then on, so that the program before refuses it by its format and does not take it for damaged.
func TestOlderFormatIsSteppedUp(t *testing.T) {
	whole, _ := takeBackup(t)
	for name, older := range map[string]string{"format 1": "vivarium data 1\n", "no format file": ""} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := &served{t: t, data: filepath.Join(dir, "data"), key: filepath.Join(dir, "key")}
			if err := restoreAgain(whole, s.data); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(s.data, formatFile)
			if err := os.WriteFile(file, []byte(older), 0o600); err != nil {
				t.Fatal(err)
			}
			if older == "" {
				os.Remove(file)
			}
			if exit, codes := verified(t, s.data); exit != 0 {
				t.Errorf("verified before: exit code %d, %q", exit, codes)
			}
			host(t, "key", s.key)
			s.restart()
			admin := s.token("admin", "default")
			if got := s.output(admin, s.actor(admin, "plugin", "one"), "count", "[]"); got != "2" {
				t.Errorf("its actor goes on with %s", got)
			}
			if text, err := readFormat(file); text != "vivarium data 2\n" || err != nil {
				t.Errorf("it says %q, %v", text, err)
			}
			s.Stop()
		})
	}
}

// A folder that cannot be opened keeps its format, and one that is of this format stays as it is.
func TestFormatStays(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := openData(data); err != nil {
		t.Fatal(err)
	}
	if text, err := readFormat(filepath.Join(data, formatFile)); err == nil {
		t.Errorf("it says %q before the store is open", text)
	}
	if err := claimFormat(data); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, data)
	if text, err := readFormat(filepath.Join(data, formatFile)); text != "vivarium data 2\n" || err != nil || len(before) != 2 {
		t.Errorf("got %q, %v among %d names", text, err, len(before))
	}
	if err := errors.Join(openData(data), claimFormat(data)); err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, data); !maps.Equal(after, before) {
		t.Errorf("the folder was changed: %q, before %q", after, before)
	}
}
