package bindings

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func source(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The files are what the table says now.
func TestFilesAreGenerated(t *testing.T) {
	files, err := Files(source(t, "hostfuncs/abi/limits.go"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
	for path, want := range files {
		if got := source(t, path); string(got) != want {
			t.Errorf("%s is out of date: run make generate", path)
		}
	}
}

// Every operation and every code is in every language, and no name twice.
func TestNothingIsMissing(t *testing.T) {
	files, err := Files(source(t, "hostfuncs/abi/limits.go"))
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range files {
		for _, op := range hostfuncs.Operations() {
			if !strings.Contains(text, " "+op.Doc+".") {
				t.Errorf("%s has no sentence about %s", path, op.Name)
			}
			if !regexp.MustCompile(`\b(viv_)?` + op.Name + `_?\(`).MatchString(text) {
				t.Errorf("%s has no function %s", path, op.Name)
			}
		}
		for _, c := range abi.Codes() {
			if !strings.Contains(text, "CODE_"+strings.ToUpper(c.Group()+"_"+c.Name())) {
				t.Errorf("%s has no code %v", path, c)
			}
		}
		seen := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^(?:#define|pub const|export const|pub fn|export function|static inline \w+|VIV_IMPORT\([^)]*\) \w+) \*?(\w+)`).FindAllStringSubmatch(text, -1) {
			if seen[m[1]] {
				t.Errorf("%s defines %s twice", path, m[1])
			}
			seen[m[1]] = true
		}
	}
}

func TestLimits(t *testing.T) {
	list, err := constants(source(t, "hostfuncs/abi/limits.go"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]int64{}
	for _, n := range list {
		values[n.name] = n.value
	}
	for name, want := range map[string]int64{
		"MAX_KV_KEY": abi.MaxKVKey, "MAX_GAS": abi.MaxGas, "MAX_SCHEDULE_AHEAD": abi.MaxScheduleAhead,
		"ABSENT": -1, "LEVEL_WARN": 3, "CODE_ACTOR_KEY_TOO_LARGE": int64(abi.CodeKeyTooLarge), "IDEMPOTENCY_HOURS": abi.IdempotencyHours,
	} {
		if got, ok := values[name]; !ok || got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	if _, err := limitsOf([]byte("package abi\nconst A = B")); err == nil {
		t.Error("a file that does not compile gives numbers")
	}
}
