// Command generate writes the bindings for other languages. It is run by go generate, in the folder of
// package bindings, which has what there is to know; it owns nothing but where the files are.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/vivarium-run/vivarium/hostfuncs/bindings"
)

func main() {
	log.SetFlags(0)
	root := filepath.Join("..", "..")
	limits, err := os.ReadFile(filepath.Join(root, "hostfuncs", "abi", "limits.go"))
	if err != nil {
		log.Fatal(err)
	}
	files, err := bindings.Files(limits)
	if err != nil {
		log.Fatal(err)
	}
	for path, text := range files {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(path)), []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
