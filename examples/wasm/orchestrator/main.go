// Orchestrator runs code that it was just given and does not trust: each job is a module, uploaded as it
// comes and run as a child with limits of its own. All run at once; each ends with its work, at a limit or at
// the deadline, and the orchestrator keeps a verdict. One orchestrator is one run: its key is the run's.
//
// Use it for plug-ins of users, programs that a model wrote, and graders. An upload costs the check and the
// compilation of the module, once for the same bytes; a job costs an actor, and the gas that it uses.
package main

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Job is what to do: an action of an uploaded module.
type Job struct {
	Module string            `json:"module"`
	Action string            `json:"action"`
	Args   []json.RawMessage `json:"args"`
	Limits Limits            `json:"limits"`
}

// Limits of a job. Zero is the default.
type Limits struct {
	TurnGas int64    `json:"turnGas"`
	Gas     int64    `json:"gas"`
	Memory  int64    `json:"memory"`  // bytes
	Seconds int      `json:"seconds"` // of life
	Egress  []string `json:"egress"`  // hosts; none by default
}

// Verdict says what became of a job.
type Verdict struct {
	Verdict string            `json:"verdict"` // running, done, failed, the limit that ended it, or late
	Detail  string            `json:"detail,omitempty"`
	Result  json.RawMessage   `json:"result,omitempty"`
	Usage   *guest.ChildUsage `json:"usage,omitempty"`

	Child string `json:"child"`
	Task  string `json:"task"`
}

// State is a run.
type State struct {
	Jobs     map[string]Job      `json:"jobs"`
	Verdicts map[string]*Verdict `json:"verdicts"`
	Deadline string              `json:"deadline"` // task
}

type ctx = guest.Ctx[State]

var _ = guest.Actor("orchestrator", guest.Def[State]{
	Key:     []string{"run"},
	Request: receive,
	Actions: guest.Actions{"run": guest.Do2(run), "report": guest.Action0(report)},
	Events:  []string{"verdict", "finished"},
	Tasks:   guest.Tasks{"job": guest.Task(ended), "deadline": guest.Task(late)},
	Egress:  []string{"*"}, // no more than is granted, and of that each job what its limits say
	Uploads: true,
})

// receive takes a module: PUT /modules/<name>, the bytes as the body.
func receive(c *ctx, r *guest.Request) (*guest.Response, error) {
	name, ok := strings.CutPrefix(r.Path(), "/modules/")
	if !ok || r.Method != "PUT" {
		return guest.Text(404, "no such page")
	}
	info, err := c.UploadModule(name, r.Body, guest.UploadOptions{Input: "value"})
	if err != nil {
		return nil, err
	}
	return guest.JSON(200, info)
}

// run begins jobs, by name, and returns. What has no verdict at the deadline is ended.
func run(c *ctx, jobs map[string]Job, seconds int) error {
	if c.State.Jobs != nil || len(jobs) == 0 || seconds < 1 {
		return guest.UserError("invalid_run", "a run begins once, with jobs and a deadline")
	}
	c.State.Jobs, c.State.Verdicts = jobs, map[string]*Verdict{}
	for _, name := range names(jobs) {
		j := jobs[name]
		child, err := c.CreateChild(guest.To(j.Module, c.ID(), name), nil, limits(j.Limits, seconds))
		if err != nil {
			c.State.Verdicts[name] = &Verdict{Verdict: "failed", Detail: err.Error()}
			continue
		}
		v := &Verdict{Verdict: "running", Child: child.ID}
		c.State.Verdicts[name] = v
		if err := begin(c, name, v); err != nil {
			return err
		}
	}
	var err error
	if c.State.Deadline, err = c.Start("deadline", guest.TimerTask(time.Duration(seconds)*time.Second), nil); err != nil {
		return err
	}
	return finish(c)
}

// limits bounds whatever a job leaves open.
func limits(l Limits, seconds int) guest.Limits {
	def := func(v, def int64) int64 {
		if v <= 0 {
			return def
		}
		return v
	}
	return guest.Limits{
		TurnGas: def(l.TurnGas, 100_000_000), Gas: def(l.Gas, 1_000_000_000), Memory: def(l.Memory, 16<<20), Stored: 1 << 20,
		Egress: l.Egress, Lifetime: time.Duration(def(int64(l.Seconds), int64(2*seconds))) * time.Second,
	}
}

// begin gives a job a turn.
func begin(c *ctx, name string, v *Verdict) (err error) {
	j := c.State.Jobs[name]
	args := make([]any, len(j.Args))
	for i, a := range j.Args {
		args[i] = a
	}
	v.Task, err = c.Start("job", guest.CallTask(guest.ToID(v.Child), j.Action, args...), name)
	return err
}

// ended takes the end of a job's turn. One that has used up the gas of its turn gets another, until it has
// used up all: a job may be long if it keeps what it has in KV.
func ended(c *ctx, name string, r *guest.Result) error {
	v := c.State.Verdicts[name]
	if v == nil || v.Verdict != "running" {
		return nil
	}
	err := r.Decode(&v.Result)
	if abi.CodeOf(err) == abi.CodeGasExhausted {
		return begin(c, name, v)
	}
	verdict, detail := judge(err)
	if err := settle(c, name, verdict, detail); err != nil {
		return err
	}
	return finish(c)
}

// judge turns the end of a job into a verdict.
func judge(err error) (verdict, detail string) {
	switch abi.CodeOf(err) {
	case 0:
		return "done", ""
	case abi.CodeChildEnded:
		return "gas", err.Error()
	case abi.CodeActorNotFound:
		return "lifetime", err.Error()
	case abi.CodeActorTrapped:
		return "trapped", err.Error() // memory that it does not get is a trap, too
	case abi.CodeEgressDenied:
		return "egress", err.Error()
	}
	return "failed", err.Error()
}

// settle keeps a verdict and ends the child.
func settle(c *ctx, name, verdict, detail string) (err error) {
	v := c.State.Verdicts[name]
	v.Verdict, v.Detail = verdict, detail
	if _, err := c.CancelTask(v.Task); err != nil {
		return err
	}
	if _, err := c.DestroyActor(guest.ToID(v.Child)); err != nil {
		return err
	}
	if v.Usage, err = c.ChildUsage(v.Child); err != nil { // stays after the end
		return err
	}
	return c.Broadcast("verdict", name, v)
}

// late is the deadline: what runs is ended, what has come is the result.
func late(c *ctx, _ any, _ *guest.Result) error {
	for _, name := range names(c.State.Jobs) {
		if c.State.Verdicts[name].Verdict == "running" {
			if err := settle(c, name, "late", ""); err != nil {
				return err
			}
		}
	}
	return finish(c)
}

// finish says that all have a verdict, if they have.
func finish(c *ctx) error {
	for _, v := range c.State.Verdicts {
		if v.Verdict == "running" {
			return nil
		}
	}
	if _, err := c.CancelTask(c.State.Deadline); err != nil {
		return err
	}
	return c.Broadcast("finished", c.State.Verdicts)
}

// report returns the verdicts so far.
func report(c *ctx) (map[string]*Verdict, error) { return c.State.Verdicts, nil }

func names(jobs map[string]Job) []string {
	var list []string
	for name := range jobs {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func main() {}
