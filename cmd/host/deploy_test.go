package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
)

// The files in deploy start a host with flags that it has, and ask it for paths that it serves.
func TestDeployFilesFitTheHost(t *testing.T) {
	serve := serveCommand(&ui{})
	known := map[string]bool{"json": true} // of the root
	root := filepath.Join(actorstest.Root(), "deploy")
	flag, path := regexp.MustCompile(`--([a-z][a-z-]+)`), regexp.MustCompile(`path: (/[a-z]+)`)
	starts := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "--key-file") {
				starts++
				for _, m := range flag.FindAllStringSubmatch(line, -1) {
					if serve.Flags().Lookup(m[1]) == nil && !known[m[1]] {
						t.Errorf("%s: serve has no flag --%s", d.Name(), m[1])
					}
				}
			}
			if m := path.FindStringSubmatch(line); m != nil && m[1] != "/readyz" && m[1] != "/healthz" {
				t.Errorf("%s asks for %s", d.Name(), m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if starts < 3 {
		t.Errorf("only %d files start a host", starts)
	}
}
