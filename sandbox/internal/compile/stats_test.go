package compile

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"
)

// Each kind of failure has a place of its own, and what is none goes with the calls that were cancelled.
func TestRunsByEnding(t *testing.T) {
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`(?m)^\tKind\w+ Kind = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(kinds) != len(endings)-2 {
		t.Errorf("there are %d kinds and %d endings", len(kinds), len(endings))
	}
	var c Compiler
	for _, k := range kinds {
		c.runs.count(time.Now(), fmt.Errorf("wrapped: %w", &Error{Kind: Kind(k[1])}))
	}
	c.runs.count(time.Now(), nil)
	c.runs.count(time.Now(), context.Canceled)
	c.runs.count(time.Now(), &Error{Kind: "new"})
	ended, took := c.Stats()
	for _, k := range kinds {
		if ended[k[1]] != 1 {
			t.Errorf("%s is counted %d times", k[1], ended[k[1]])
		}
	}
	if ended["ok"] != 1 || ended["cancelled"] != 2 || took.Count() != uint64(len(kinds))+3 {
		t.Errorf("got %v, %d in all", ended, took.Count())
	}
}
