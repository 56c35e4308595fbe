package tenants

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/vivarium-run/vivarium/internal/durable"
)

// maxKeyFile is far above any key: a larger file is not a key file.
const maxKeyFile = 4 << 10

// LoadKey reads a signing key for NewKeyring: a file that only its owner may read, holding at
// least 32 bytes as base64url text without padding, and white space around it.
func LoadKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tenants: load key: %w", err)
	}
	defer f.Close()
	key, err := readKey(f)
	if err != nil {
		return nil, fmt.Errorf("tenants: load key: %s: %w", path, err)
	}
	return key, nil
}

// readKey looks at the open file, not at its path, which may change in between.
func readKey(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("others may read or write it (mode %04o): run chmod 600 on it, and make a new key if somebody may have seen it", perm)
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("larger than %d bytes", maxKeyFile)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, errors.New("not base64url text without padding") // err would tell of the key
	}
	if len(key) < minKeyBytes {
		return nil, fmt.Errorf("the key has %d bytes, it needs at least %d", len(key), minKeyBytes)
	}
	return key, nil
}

// CreateKey makes a key and writes it to path, mode 0600, durable when it returns. It never
// replaces a file: if path exists the error is fs.ErrExist. The file appears whole or not at all.
func CreateKey(path string) (key []byte, err error) {
	defer func() {
		if err != nil {
			key, err = nil, fmt.Errorf("tenants: create key: %w", err)
		}
	}()
	key = make([]byte, minKeyBytes)
	rand.Read(key) // never fails; see crypto/rand
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteString(base64.RawURLEncoding.EncodeToString(key) + "\n"); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	// A link, unlike a rename, fails if there is a file: two hosts that start at once agree.
	if err := os.Link(f.Name(), path); err != nil {
		return nil, err
	}
	return key, durable.SyncFolder(filepath.Dir(path))
}
