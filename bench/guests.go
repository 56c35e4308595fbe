package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// guest is a counter that the host runs. Its actor has the actions increment (adds its argument,
// returns the count), get (returns the count) and nop (changes nothing, returns nothing).
type guest struct {
	name  string // in the table
	path  string // in the repository: a folder of Go source, or a .wasm file
	actor string // its actor's and its module's name, which no other guest may have
}

// guests are all that are measured. One whose path does not exist is left out.
var guests = []guest{
	{name: "Go guest", path: "examples/wasm/counter", actor: "counter"},
	{name: "AssemblyScript guest", path: "examples/wasm/counter-as/counter.wasm", actor: "counter-as"},
}

// exists reports whether the guest is there.
func (g guest) exists(root string) (bool, error) {
	_, err := os.Stat(filepath.Join(root, g.path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
