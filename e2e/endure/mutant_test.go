package endure

import (
	"encoding/json"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/internal/hosttest"
)

// mutation is a fault that a host is built with, by another text of one of its files, to see that it is found.
type mutation struct {
	name     string
	file     string
	old, new string
	finds    string // is said of it
}

var mutations = []mutation{
	{
		name: "answers before the commit", file: "actors/run.go",
		old: "\ta.flight.launch(changes, d.Size(), o)\n", new: "\to.release(nil)\n\ttime.Sleep(5 * time.Millisecond)\n\ta.flight.launch(changes, d.Size(), &outbox{request: o.request, open: true})\n",
		finds: "was acknowledged and is not in",
	},
	{
		name: "does the last send again", file: "actors/sends.go",
		old: "n <= done && !failpoint.Omitted(failpoint.SendTwice)", new: "n < done && !failpoint.Omitted(failpoint.SendTwice)",
		finds: "what follows from it in",
	},
	{
		name: "forgets what it was asked with an idempotency key", file: "actors/idempotency.go",
		old: "case rec.Expires <= t.now.UnixMilli():", new: "case true:",
		finds: " times",
	},
}

// apply returns the path of the file and its text with the fault.
func (f mutation) apply(t *testing.T) (file, text string) {
	t.Helper()
	file = filepath.Join(actorstest.Root(), filepath.FromSlash(f.file))
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), f.old); n != 1 {
		t.Fatalf("%s has %d times %q, want it once", f.file, n, f.old)
	}
	return file, strings.Replace(string(b), f.old, f.new, 1)
}

// build makes the host with the fault, and leaves the repository as it is.
func (f mutation) build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file, text := f.apply(t)
	changed, overlay, bin := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "host")
	doc, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err == nil {
		err = os.WriteFile(overlay, doc, 0o600)
	}
	if err == nil {
		err = os.WriteFile(changed, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	hosttest.Build(t, bin, "-overlay", overlay)
	return bin
}

// mutantRounds is how many kills a fault may outlive.
const mutantRounds = 60

// A host that answers before its commit, or does again what was done, is found out. Each is a host to be built, so
// the suite only sees that the faults can still be made.
func TestCrashFindsFaults(t *testing.T) {
	for _, f := range mutations {
		t.Run(f.name, func(t *testing.T) {
			if f.apply(t); *crashRounds <= len(deaths) {
				return
			}
			h := newHost(t)
			h.Binary = f.build(t)
			m := openMob(t, h)
			m.patience = 3 * time.Second // what is lost does not come
			m.refused = t.Logf           // it may lose what the next deed builds on, such as an actor
			r := rand.New(rand.NewSource(1))
			for n := range mutantRounds {
				wrong, _ := m.round(n, deaths[0], r)
				if len(wrong) == 0 {
					continue
				}
				t.Logf("round %d: %.500s", n, wrong[0])
				if !strings.Contains(strings.Join(wrong, "\n"), f.finds) {
					t.Errorf("what it finds is not %q", f.finds)
				}
				return
			}
			t.Errorf("not found in %d rounds", mutantRounds)
		})
	}
}
