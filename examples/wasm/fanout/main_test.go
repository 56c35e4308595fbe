package main

import (
	"encoding/json"
	"errors"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// play lets a worker do what a task of the coordinator is.
func play(t *testing.T, coordinator, worker *guesttest.Actor, task guesttest.Task) error {
	t.Helper()
	worker.OnCall = coordinator.Answer
	worker.Sender = "the coordinator"
	var args []json.RawMessage
	if err := json.Unmarshal(task.Args, &args); err != nil {
		t.Fatal(err)
	}
	return worker.Call(nil, task.Action, args[0])
}

func TestPrimes(t *testing.T) {
	coordinator := guesttest.New(t, "coordinator", guesttest.Options{})
	worker := guesttest.New(t, "worker", guesttest.Options{})
	job := coordinator.Begin("primes", 1000, 7)
	tasks := coordinator.Tasks()
	if len(tasks) != 7 || tasks[6].To.Name != "worker" || !tasks[6].To.Create {
		t.Fatalf("tasks %+v", tasks)
	}
	for i, task := range tasks {
		if job.Done() {
			t.Fatalf("the job is done after %d parts", i)
		}
		for range 2 { // as after a restart
			if err := play(t, coordinator, worker, task); err != nil {
				t.Fatal(err)
			}
		}
		if err := coordinator.Complete(task.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	var primes int
	if err := job.Result(&primes); err != nil || primes != 168 {
		t.Errorf("%d primes below 1000, %v; want 168", primes, err)
	}
	if e := coordinator.Events(); len(e) != 6 {
		t.Errorf("events %v", e)
	}
}

func TestFailedPart(t *testing.T) {
	coordinator := guesttest.New(t, "coordinator", guesttest.Options{})
	job := coordinator.Begin("primes", 1000, 3)
	for _, task := range coordinator.Tasks() {
		if err := coordinator.Complete(task.ID, &abi.Error{Code: abi.CodeGasExhausted}); err != nil {
			t.Fatal(err)
		}
	}
	if err := job.Result(nil); abi.CodeOf(err) != abi.CodeGasExhausted {
		t.Errorf("a job with a failed part: %v", err)
	}
	var s State
	if coordinator.State(&s); len(s.Jobs) != 0 {
		t.Errorf("left over: %+v", s.Jobs)
	}
}

func TestClients(t *testing.T) {
	coordinator := guesttest.New(t, "coordinator", guesttest.Options{})
	if err := coordinator.Call(nil, "report", Part{}, 1_000_000); !errors.Is(err, guest.UserError("not_for_clients", "")) {
		t.Errorf("a report by a client: %v", err)
	}
	if err := coordinator.Call(nil, "primes", 10, 101); !errors.Is(err, guest.UserError("bad_job", "")) {
		t.Errorf("101 workers: %v", err)
	}
}
