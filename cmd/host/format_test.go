package main

import (
	"bytes"
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
		{"newer", write("vivarium data 2\n"), "data/newer_format"},
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

// A folder of the first builds has no format file; it gets one, and one that is there stays as it is.
func TestFormatOfTheFirstBuilds(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := openData(data); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, data)
	if text, err := readFormat(filepath.Join(data, formatFile)); text != "vivarium data 1\n" || err != nil || len(before) != 2 {
		t.Errorf("got %q, %v among %d names", text, err, len(before))
	}
	if err := openData(data); err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, data); !maps.Equal(after, before) {
		t.Errorf("the folder was changed: %q, before %q", after, before)
	}
}
