package model

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/actors/internal/failpoint"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// childFile names the environment variable with the file that tells a child what to do.
const childFile = "VIVARIUM_MODEL_CHILD"

// errand is what a child does before it dies.
type errand struct {
	Dir     string
	Moved   time.Duration   // of the clock
	Batches [][]order       // each runs beside each other, one batch after the other
	Die     int             // at which step of those that count; zero: when all is done
	Count   failpoint.Point // the only step that counts; empty: all of them do
	LeftOut failpoint.Rollback
	Settle  bool // once all is answered, the clock moves on until nobody has anything to do
}

// childTB stands for a test in a process that is none.
type childTB struct{ testing.TB }

func (childTB) Helper()                   {}
func (childTB) Cleanup(func())            {}
func (childTB) Context() context.Context  { return context.Background() }
func (childTB) Fatalf(f string, v ...any) { fmt.Fprintf(os.Stderr, f+"\n", v...); os.Exit(1) }
func (c childTB) Fatal(v ...any)          { c.Fatalf("%s", fmt.Sprint(v...)) }

// childMain is the child: it prints what is answered, and is killed by itself at some step or by its parent.
func childMain(file string) {
	var tb childTB
	doc, err := os.ReadFile(file)
	var e errand
	if err == nil {
		err = json.Unmarshal(doc, &e)
	}
	if err != nil {
		tb.Fatal(err)
	}
	clock := actorstest.NewClock()
	clock.Advance(e.Moved)
	dieAt(e.Die, e.Count)
	failpoint.LeaveOut(e.LeftOut)
	s := actorstest.Open(tb, stackOptions(e.Dir, clock))
	for b, batch := range e.Batches {
		var wg sync.WaitGroup
		for i, o := range batch {
			wg.Go(func() {
				doc, _ := json.Marshal(o.give(s.Host))
				fmt.Printf("answer %d %d %s\n", b, i, doc) // one write call: a kill cannot mix lines
			})
		}
		wg.Wait()
	}
	if e.Settle {
		settle(tb, s, clock)
	}
	fmt.Println("done")
	io.Copy(io.Discard, os.Stdin) // until the parent kills us
}

// dieAt makes the process kill itself at the nth step, or if only one counts, when it comes there the nth time.
func dieAt(n int, only failpoint.Point) {
	var mu sync.Mutex
	seen := 0
	failpoint.Set(func(p failpoint.Point) {
		mu.Lock()
		defer mu.Unlock() // nobody comes further once it is time
		fmt.Printf("step %s\n", p)
		if only != "" && only != p {
			return
		}
		if seen++; seen == n {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
}

// fate is what became of a child.
type fate struct {
	answers map[[2]int]answer // by batch and number within
	steps   []failpoint.Point // that it came to
	done    bool
}

// send runs a child until it dies.
func (e errand) send(t *testing.T) fate {
	t.Helper()
	doc, err := json.Marshal(e)
	file := filepath.Join(t.TempDir(), "errand")
	if err == nil {
		err = os.WriteFile(file, doc, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFile+"="+file)
	var stderr bytes.Buffer
	child.Stderr = &stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	f := listen(t, bufio.NewReader(out), child.Process.Kill)
	child.Wait()
	if stderr.Len() > 0 {
		t.Fatalf("child: %s", stderr.String())
	}
	return f
}

// listen takes up what a child says, and kills it when it is done.
func listen(t *testing.T, out *bufio.Reader, kill func() error) fate {
	t.Helper()
	f := fate{answers: map[[2]int]answer{}}
	for {
		line, err := out.ReadString('\n')
		if err != nil {
			return f // the child is dead; an unfinished line was not answered
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "step":
			f.steps = append(f.steps, failpoint.Point(rest))
		case "answer":
			var at [2]int
			var a answer
			_, err := fmt.Sscanf(rest, "%d %d", &at[0], &at[1])
			if err == nil {
				err = json.Unmarshal([]byte(rest[strings.Index(rest, "{"):]), &a)
			}
			if err != nil {
				t.Fatalf("the child says %q: %v", line, err)
			}
			f.answers[at] = a
		case "done":
			f.done = true
			kill()
		default:
			t.Fatalf("the child says %q", line)
		}
	}
}

// kill has a child run a batch and die in the middle of it. Then each job is done or it is not, those that
// were answered are, and asking again for the others makes the world what it would have been.
func (r *run) kill() error {
	r.killing = true
	batch := r.planBatch(batchJobs)
	r.killing = false
	r.counts["kill"]++
	r.s.Close()
	e := errand{Dir: r.dir, Moved: r.moved, Batches: [][]order{nil}, Die: 1 + r.rnd.Intn(6*batchJobs)}
	for _, j := range batch {
		e.Batches[0] = append(e.Batches[0], j.order)
	}
	f := e.send(r.t)
	err := r.inspect(batch, f)
	r.open()
	if err != nil {
		return err
	}
	var again []*job
	for i, j := range batch {
		got, ok := f.answers[[2]int{0, i}]
		if !ok {
			again = append(again, j.maybeDone())
			continue
		}
		if err := j.check(got); err != nil {
			return r.wrong(j, err)
		}
		r.take(j, got)
	}
	if err := r.do(again); err != nil {
		return fmt.Errorf("asked again: %w", err)
	}
	return r.compare()
}

// maybeDone is a job that may have been done, with an answer that was too large to keep.
func (j *job) maybeDone() *job {
	if !j.keep {
		return j
	}
	n := *j
	n.check = func(got answer) error {
		if got.Code == abi.CodeAlreadyDone {
			return nil // what the actor then holds is compared
		}
		return j.check(got)
	}
	return &n
}
