package compile

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero"
)

// naming predicts the names of wazero's cache entries, which wazero does not tell. With it the host
// knows what a worker must leave, that an entry belongs to the bytes it loads, and that wazero will find
// it: after an upgrade of wazero or on another processor all names are new.
type naming struct {
	dir    string // such as "wazero-v1.12.0-amd64-linux"
	ensure bool   // Options.CloseOnContextDone
	cpu    uint64 // wazero's bits for the features of this processor
}

// of returns the name of the entry of a module, relative to the cache directory.
func (n naming) of(wasm []byte) string { return n.dir + "/" + n.key(wasm) }

// key follows wazero's Module.AssignModuleID (without listeners) and fileCacheKey.
func (n naming) key(wasm []byte) string {
	id := sha256.New()
	id.Write(wasm)
	ensure := byte(0)
	if n.ensure {
		ensure = 1
	}
	id.Write([]byte{ensure})
	key := id.Sum(nil)
	key = append(key, "WAZEVO"...)
	key = binary.LittleEndian.AppendUint64(key, n.cpu)
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// learn finds the processor bits by which a known module gets a known key. wazero v1.12 has three bits;
// a failure means that another wazero makes its names in another way.
func (n *naming) learn(wasm []byte, key string) error {
	for n.cpu = 0; n.cpu < 1<<12; n.cpu++ {
		if n.key(wasm) == key {
			return nil
		}
	}
	return errors.New("this wazero names its cache entries in an unknown way; naming.key must follow it")
}

// cacheDirName returns the name that wazero gives to the directory of its version and platform, by
// looking at what it makes in an empty directory.
func cacheDirName(empty string) (string, error) {
	cache, err := wazero.NewCompilationCacheWithDir(empty)
	if err != nil {
		return "", err
	}
	defer cache.Close(context.Background())
	list, err := os.ReadDir(empty)
	if err != nil {
		return "", err
	}
	if len(list) != 1 || !list[0].IsDir() {
		return "", fmt.Errorf("wazero made %d things for its cache, not one directory", len(list))
	}
	return list[0].Name(), nil
}
