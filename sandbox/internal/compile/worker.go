package compile

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A worker is this executable under another name, with a job in its environment. On Linux it is entered
// three times, because what a thread takes on holds for a whole Go process only after that thread has
// replaced the process by exec, and because a process in a user namespace of its own can only be a new
// one:
//
//	launch   starts the next in namespaces of its own, or becomes it; takes no input
//	confine  takes on limits, priority and the directory jail on one thread, and becomes the next
//	work     takes on the system call filter, reads the module, compiles
//
// The launcher is a process of its own because starting a process in a user namespace copies the page
// tables of who starts it: that stopped a host with 2 GB and 20,000 mappings for 130–380 ms, and takes a
// fresh process none.
const (
	stageLaunch  = "launch"
	stageConfine = "confine"
	stageWork    = "work"
)

const (
	workerName  = "vivarium-compile-worker" // argv[0]
	jobVariable = "VIVARIUM_COMPILE_JOB"    // environment: the job as JSON
)

// exitFailed is the exit code of a worker that could not do its work for a reason of ours.
const exitFailed = 70

// job is what a worker is told before it reads the module.
type job struct {
	Stage    string        `json:"stage"`
	Options  Options       `json:"options"`
	Memory   int64         `json:"memory"` // bytes
	CPU      int64         `json:"cpu"`    // seconds
	Entry    int64         `json:"entry"`  // bytes
	Module   int64         `json:"module"` // bytes
	Nice     int           `json:"nice"`
	WallTime time.Duration `json:"wall_time"`
	LoadTime time.Duration `json:"load_time"`
	NetNS    string        `json:"net_ns,omitempty"` // of the host
	Probe    bool          `json:"probe,omitempty"`  // report the protections
	Test     string        `json:"test,omitempty"`   // see testWork

	// Seen is what the earlier stages found.
	Seen Protections `json:"seen,omitzero"`
}

// env is the whole environment of a worker.
func (j job) env() []string {
	text, err := json.Marshal(j)
	if err != nil {
		panic(err) // numbers and strings only
	}
	env := []string{
		jobVariable + "=" + string(text),
		"GOMAXPROCS=1", // compiling is single-threaded, and one worker is to cost one processor
		"GOMEMLIMIT=" + strconv.FormatInt(j.Memory/8*7, 10),
		"GOTRACEBACK=single",
	}
	if raceEnabled {
		env = append(env, "GORACE=atexit_sleep_ms=0") // else each exit takes a second
	}
	return env
}

// result is what a worker writes to its standard output: one JSON value.
type result struct {
	Kind        Kind         `json:"kind,omitempty"` // empty means success
	Detail      string       `json:"detail,omitempty"`
	Protections *Protections `json:"protections,omitempty"`
}

// workerReady says that this process runs MaybeWorker.
var workerReady atomic.Bool

// testWork, set by tests only, does other work than compiling.
var testWork func(j job, wasm []byte) result

func init() {
	if isWorker() {
		// What a thread takes on must be on the thread that calls exec, and the kernel ties the
		// life of the worker to the thread that starts it.
		runtime.LockOSThread()
	}
}

func isWorker() bool {
	return len(os.Args) == 1 && os.Args[0] == workerName && os.Getenv(jobVariable) != ""
}

// MaybeWorker does a worker's job and exits if this process was started as one; otherwise it returns at
// once. It must be the first statement of main, and of TestMain in packages whose tests compile.
func MaybeWorker() {
	workerReady.Store(true)
	if !isWorker() {
		return
	}
	var j job
	if err := json.Unmarshal([]byte(os.Getenv(jobVariable)), &j); err != nil {
		fail("job", err)
	}
	os.Unsetenv(jobVariable)
	switch j.Stage {
	case stageLaunch:
		launch(j)
	case stageConfine:
		confine(j)
	case stageWork:
		work(j)
	}
	fail("stage "+j.Stage, nil)
}

// fail ends a worker that cannot work.
func fail(step string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %s: %v\n", workerName, step, err)
	os.Exit(exitFailed)
}

var answerOnce sync.Once

// answer writes the result and ends the worker. The first caller wins; the others wait for the end.
func answer(r result) {
	answerOnce.Do(func() {
		r.Detail = oneLine(r.Detail, maxDetail)
		text, err := json.Marshal(r)
		if err == nil {
			_, err = os.Stdout.Write(text)
		}
		if err != nil {
			fail("answer", err)
		}
		os.Exit(0)
	})
	select {}
}
