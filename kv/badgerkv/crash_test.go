package badgerkv

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

var (
	crashRounds = flag.Int("crash.rounds", 4, "how often the crash test kills its child")
	crashSeed   = flag.Int64("crash.seed", 0, "when it kills; zero picks a seed")
)

// crashDir tells the test binary that it is the child of the crash test.
const crashDir = "VIVARIUM_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(dir)
		return
	}
	os.Exit(m.Run())
}

const (
	crashSpaces = 24
	crashWindow = 40 // rows that a space keeps
	crashPart   = 29 // every so many deltas have a chunked value
)

func crashSpace(i int) kv.Space {
	return kv.NewSpace(fmt.Sprint("class", i%4), fmt.Sprint("space", i))
}

// crashChild commits until it is killed and prints each delta that was acknowledged.
func crashChild(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	s, err := Open(Config{Dir: dir, MemTableSize: 8 << 20}) // small, so that tables are flushed
	if err != nil {
		fail(err)
	}
	bg := context.Background()
	var wg sync.WaitGroup
	for i := range crashSpaces {
		wg.Go(func() {
			l, err := s.Claim(bg, crashSpace(i))
			if err != nil {
				fail(err)
			}
			inFlight := make(chan struct{}, 8)
			for n := l.Pos + 1; ; n++ {
				inFlight <- struct{}{}
				s.Commit(l, crashDelta(n), func(err error) {
					if err != nil {
						fail(err)
					}
					fmt.Printf("committed %d %d\n", i, n) // one write call: a kill cannot mix lines
					<-inFlight
				})
			}
		})
	}
	// Meanwhile spaces come and go.
	wg.Go(func() {
		for i := 0; ; i++ {
			id := fmt.Sprintf("%d-%d", s.boot, i)
			l, err := s.Claim(bg, kv.NewSpace("mortal", id))
			if err != nil {
				fail(err)
			}
			d := &kv.Delta{N: 1, Bind: []byte("the one")}
			for k := range 700 {
				d.Ops = append(d.Ops, put(fmt.Sprint(k), id))
			}
			done := make(chan error, 2)
			s.Commit(l, d, func(err error) { done <- err })
			s.Destroy(l, func(err error) { done <- err })
			for range 2 {
				if err := <-done; err != nil {
					fail(err)
				}
			}
			fmt.Printf("destroyed %s\n", id)
		}
	})
	wg.Wait()
}

// crashDelta is delta n of any space: three items that must always agree, a window of rows that
// moves on, and now and then a value in chunks.
func crashDelta(n uint64) *kv.Delta {
	stamp := fmt.Sprint(n)
	due := timeOf(n)
	d := &kv.Delta{N: n, Due: &due, Ops: []kv.Op{
		put("a", stamp),
		put("m", stamp),
		put(fmt.Sprintf("row/%08d", n), strings.Repeat(stamp, int(n%200))),
		put("z", stamp),
	}}
	if n > crashWindow {
		d.Ops = append(d.Ops, kv.Op{Key: fmt.Appendf(nil, "row/%08d", n-crashWindow)})
	}
	if n%crashPart == 0 {
		d.Ops = append(d.Ops, kv.Op{Key: []byte("large"), Value: crashLarge(n)})
	}
	return d
}

func crashLarge(n uint64) []byte { return bytes.Repeat(fmt.Appendf(nil, "%08d", n), chunkSize/8+9) }

// checkCrashSpace fails unless space i holds exactly the deltas 1 to its position, and at least
// those up to acked.
func checkCrashSpace(t *testing.T, s *Store, i int, acked uint64) {
	t.Helper()
	space := crashSpace(i)
	pos := claim(t, s, space).Pos
	if pos < acked {
		t.Errorf("space %d: position %d, acknowledged %d", i, pos, acked)
	}
	// The deltas of two windows say all that is left: what older ones put they delete or hide.
	want := make(map[string]string)
	first := pos - min(pos, 2*crashWindow) + 1
	for n := first; n <= pos; n++ {
		for _, op := range crashDelta(n).Ops {
			if op.Value == nil {
				delete(want, string(op.Key))
			} else {
				want[string(op.Key)] = string(op.Value)
			}
		}
	}
	seen := 0
	for item, err := range s.Scan(t.Context(), space, kv.Range{}) {
		if err != nil {
			t.Fatalf("space %d: %v", i, err)
		}
		seen++
		if v, ok := want[string(item.Key)]; !ok || v != string(item.Value) {
			t.Errorf("space %d at %d: item %q is not that of the deltas", i, pos, item.Key)
		}
	}
	if seen != len(want) {
		t.Errorf("space %d at %d: got %d items, want %d", i, pos, seen, len(want))
	}
}

func TestCrash(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("replay with -crash.seed=%d -crash.rounds=%d", seed, *crashRounds)
	rnd := rand.New(rand.NewSource(seed))
	dir := t.TempDir()
	acked := make([]uint64, crashSpaces)
	var destroyed []string
	for range *crashRounds {
		destroyed = append(destroyed, killedChild(t, dir, 20+rnd.Intn(1500), acked)...)
		s, err := Open(Config{Dir: dir, MemTableSize: 8 << 20})
		if err != nil {
			t.Fatalf("reopen: %v", err)
		}
		for i := range crashSpaces {
			checkCrashSpace(t, s, i, acked[i])
		}
		due := 0
		for _, err := range s.Due(t.Context(), timeOf(1<<30)) {
			if err != nil {
				t.Fatal(err)
			}
			due++
		}
		if due > crashSpaces {
			t.Errorf("due: got %d rows for %d spaces", due, crashSpaces)
		}
		checkDestroyed(t, s, destroyed)
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	total := uint64(0)
	for _, n := range acked {
		total += n
	}
	t.Logf("%d deltas acknowledged, %d spaces destroyed", total, len(destroyed))
}

// killedChild runs a child until it has acknowledged n deltas, kills it, and adds what it had
// acknowledged by then.
func killedChild(t *testing.T, dir string, n int, acked []uint64) (destroyed []string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir)
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for seen := 0; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // the child is dead; an unfinished line was not acknowledged
		}
		var i int
		var delta uint64
		var id string
		if _, err := fmt.Sscanf(line, "committed %d %d", &i, &delta); err == nil {
			if delta <= acked[i] {
				t.Errorf("space %d: acknowledged %d after %d", i, delta, acked[i])
			}
			acked[i] = delta
			if seen++; seen == n {
				child.Process.Kill()
			}
		} else if _, err := fmt.Sscanf(line, "destroyed %s", &id); err == nil {
			destroyed = append(destroyed, id)
		}
	}
	child.Wait()
	if stderr.Len() > 0 {
		t.Fatalf("child: %s", stderr.String())
	}
	return destroyed
}

// checkDestroyed fails if anything of a destroyed space is to be seen, now or when the sweeper is
// done.
func checkDestroyed(t *testing.T, s *Store, ids []string) {
	t.Helper()
	check := func() {
		t.Helper()
		for _, id := range ids {
			space := kv.NewSpace("mortal", id)
			for item := range s.Scan(t.Context(), space, kv.Range{}) {
				t.Fatalf("destroyed space %s has %q", id, item.Key)
			}
			got, err := s.Lookup(t.Context(), "mortal", []byte("the one"))
			if err == nil && got == space {
				t.Errorf("destroyed space %s is still found", id)
			} else if err != nil && !errors.Is(err, kv.ErrNotFound) {
				t.Fatal(err)
			}
		}
	}
	check()
	awaitNoGarbage(t, s)
	check()
	for _, id := range ids {
		if n := rows(t, s, spacePrefix(kv.NewSpace("mortal", id), 0)); n != 0 {
			t.Errorf("destroyed space %s: %d rows left", id, n)
		}
	}
}
