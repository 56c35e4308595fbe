package tenants

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestCreateKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "host.key")
	made, err := CreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	read, err := LoadKey(path)
	if err != nil || !bytes.Equal(read, made) || len(read) != 32 {
		t.Errorf("LoadKey = %d bytes, %v, want the %d that were made", len(read), err, len(made))
	}
	if _, err := CreateKey(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CreateKey over a key: %v, want %v", err, fs.ErrExist)
	}
	if again, _ := LoadKey(path); !bytes.Equal(again, made) {
		t.Error("the key was replaced")
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("the folder holds %v, want the key alone", names)
	}
}

func TestCreateKeyHammer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host.key")
	var mu sync.Mutex
	var made [][]byte
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if key, err := CreateKey(path); err == nil {
				mu.Lock()
				defer mu.Unlock()
				made = append(made, key)
			}
		})
	}
	wg.Wait()
	if read, err := LoadKey(path); err != nil || len(made) != 1 || !bytes.Equal(read, made[0]) {
		t.Errorf("%d keys were made, LoadKey: %v", len(made), err)
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	good := base64.RawURLEncoding.EncodeToString(testKey)
	tests := []struct {
		name, text string
		mode       fs.FileMode
		wantErr    string // substring; empty means success
	}{
		{name: "good", text: good, mode: 0o600},
		{name: "white space around", text: " " + good + "\r\n", mode: 0o400},
		{name: "longer", text: base64.RawURLEncoding.EncodeToString(make([]byte, 64)), mode: 0o600},
		{name: "group may read", text: good, mode: 0o640, wantErr: "chmod 600"},
		{name: "group may write", text: good, mode: 0o620, wantErr: "chmod 600"},
		{name: "world may read", text: good, mode: 0o604, wantErr: "chmod 600"},
		{name: "short", text: base64.RawURLEncoding.EncodeToString(testKey[:31]), mode: 0o600, wantErr: "31 bytes"},
		{name: "empty", text: "", mode: 0o600, wantErr: "0 bytes"},
		{name: "raw bytes", text: "\x00\xff" + string(testKey), mode: 0o600, wantErr: "not base64url"},
		{name: "two keys", text: good + "\n" + good + ".", mode: 0o600, wantErr: "not base64url"},
		{name: "large", text: strings.Repeat("A", 5000), mode: 0o600, wantErr: "larger"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "host.key")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := LoadKey(path)
			checkErr(t, err, tt.wantErr)
			if err != nil && strings.Contains(err.Error(), good[:8]) {
				t.Errorf("the error tells of the key: %v", err)
			}
		})
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadKey of no file: %v, want %v", err, fs.ErrNotExist)
	}
	_, err := LoadKey(t.TempDir())
	checkErr(t, err, "not a regular file")
}

// checkErr holds that err has want in its text, or is nil if want is empty.
func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Fatalf("error %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Fatalf("error %v, want one with %q", err, want)
	}
}
