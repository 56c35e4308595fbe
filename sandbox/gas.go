package sandbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/internal/meter"
)

// run is one call of a guest: its gas and its slot.
type run struct {
	ctx    context.Context
	total  int64 // gas of the call
	budget int64 // what of it was not handed out yet
	used   int64 // of the call, once it has ended
	billed int64 // of the call, to the class's budget
	slot   bool  // it holds a run slot
	quanta int   // since it got the slot
}

// ownQuanta is how many quanta a guest may have one after the other while only others of its class wait. The switch between two
// guests, with all that the processor has of the one, costs about a tenth of a quantum, and guests of a class gain nothing
// from a share that is fairer than this. Those of other classes wait for one quantum at the most.
const ownQuanta = 4

// Budget is what a class of guests may compute over time. Safe for concurrent use.
type Budget interface {
	// Gas returns nil if there is gas, or why there is none.
	Gas() error
	// AwaitGas waits for gas until ctx ends. Its error ends the guest.
	AwaitGas(ctx context.Context) error
	// SpendGas takes gas that was used, whether it was there or not.
	SpendGas(gas int64)
}

// ErrNotRun reports that a call waited for a processor until its time was up, or nobody wanted it any more when it
// had got one. The guest has not run, and its instance is as before.
var ErrNotRun = errors.New("sandbox: the guest has not run")

// Ask sets what each later call asks when it may run: whether it still shall. Nil asks nothing.
func (i *Instance) Ask(wanted func() bool) { i.wanted = wanted }

// begin waits for a run slot and hands out the first quantum. Its error is ErrNotRun, or why there is no gas.
func (i *Instance) begin(ctx context.Context) error {
	i.run = run{ctx: ctx, total: i.allowance(), budget: i.allowance()}
	if i.purse != nil {
		if err := i.awaitBudget(); err != nil {
			return err
		}
	}
	if err := i.acquire(); err != nil {
		i.used = 0
		return fmt.Errorf("%w: %w", ErrNotRun, err)
	}
	if i.wanted != nil && !i.wanted() {
		i.used = 0
		i.release()
		return ErrNotRun
	}
	i.gas.Set(uint64(i.take()))
	i.stack.Set(uint64(uint32(i.v.s.cfg.StackBytes)))
	return nil
}

// end counts what the call has used and gives its slot back.
func (i *Instance) end() {
	i.used = i.total - i.Left()
	i.worth += i.used
	i.bill(i.used)
	i.release()
	i.v.s.slots.Ended(i.v.key.class)
	i.ctx = nil
}

// take returns the next quantum, which is all there is for a guest that does not ask for a second.
func (i *Instance) take() int64 {
	q := i.budget
	if i.v.layout.OutOfGas {
		q = min(q, i.v.s.cfg.Quantum)
	}
	i.budget -= q
	return q
}

// Limit bounds each later call to gas, if that is less than a call may have anyway; zero lifts the bound.
func (i *Instance) Limit(gas int64) { i.limit = gas }

// bill takes what the call has used since the last time from the class's budget.
func (i *Instance) bill(used int64) {
	if i.purse != nil && used > i.billed {
		i.purse.SpendGas(used - i.billed)
		i.billed = used
	}
}

// awaitBudget waits, without a run slot, until the class may compute. Guests that wait keep their instances, so only
// so many of a class may.
func (i *Instance) awaitBudget() error {
	err := i.purse.Gas()
	if err == nil || !i.v.s.block(i.v.key.class) {
		return err
	}
	defer i.v.s.unblock(i.v.key.class)
	return i.purse.AwaitGas(i.ctx)
}

// GateMemory has f asked, on the goroutine of the guest, before the instance's memory grows by so many bytes; nil
// lets it grow. The guest sees a refusal as memory.grow's.
func (i *Instance) GateMemory(f func(more int64) bool) { i.mem.Gate(f) }

// MemoryBytes returns the size of the instance's memory.
func (i *Instance) MemoryBytes() int64 { return int64(len(i.mem.Bytes())) }

// LimitMemory bounds the growth of the instance's memory, in bytes, below what the module may have; zero
// lifts the bound.
func (i *Instance) LimitMemory(bytes int64) { i.mem.Limit(int(bytes)) }

func (i *Instance) allowance() int64 {
	if i.limit > 0 {
		return min(i.limit, i.v.s.cfg.Gas)
	}
	return i.v.s.cfg.Gas
}

// Left returns the gas that the call which runs may still use.
func (i *Instance) Left() int64 { return i.budget + int64(i.gas.Get()) }

// Used returns the gas of the last call, or of the start-up if there was none.
func (i *Instance) Used() int64 { return i.used }

// Charge takes gas for work that a host function is about to do. The error ends the guest: the host
// function panics with it.
func (i *Instance) Charge(gas int64) error {
	left := int64(i.gas.Get()) - gas
	i.gas.Set(uint64(left))
	if left >= 0 {
		return nil
	}
	return i.refuel()
}

var (
	errNoGas  = &LimitError{Gas: true, Text: "the turn ran out of gas"}
	errNoTime = &LimitError{Text: "the turn ran out of time"}
)

// spent reports that a guest has used more than it may, which it may not have been told yet.
func (i *Instance) spent() bool { return i.budget+int64(i.gas.Get()) < 0 }

// refuel makes the gas at least zero, if the call may go on, and lets others run.
func (i *Instance) refuel() error {
	if i.ctx.Err() != nil {
		return errNoTime
	}
	left := int64(i.gas.Get())
	for left < 0 && i.budget > 0 {
		left += i.take()
	}
	i.gas.Set(uint64(left))
	if left < 0 {
		return errNoGas
	}
	if err := i.payOn(); err != nil {
		return err
	}
	i.quanta++
	switch passed, err := i.v.s.slots.Yield(i.ctx, i.v.key.class, i.quanta < ownQuanta); {
	case err != nil:
		i.slot = false
		return errNoTime
	case passed:
		i.quanta = 0
	}
	runtime.Gosched() // or the garbage collector would wait for the guest
	return nil
}

// payOn bills what was used until now and waits if the class has used up its budget.
func (i *Instance) payOn() error {
	if i.purse == nil {
		return nil
	}
	i.bill(i.total - i.Left())
	if i.purse.Gas() == nil {
		return nil
	}
	i.release()
	if err := i.awaitBudget(); err != nil {
		return err
	}
	return i.acquire()
}

// pay charges for work of ours and ends the guest if it cannot.
func (i *Instance) pay(gas int64) {
	if err := i.Charge(gas); err != nil {
		panic(err)
	}
}

// Wait runs f, which blocks, on behalf of the guest that runs, and without its run slot. It refuses if too
// many guests of the class wait already, because each keeps its instance meanwhile. It ends the guest by a
// panic if its time is up afterwards.
func (i *Instance) Wait(f func()) error {
	s := i.v.s
	if !s.block(i.v.key.class) {
		return &abi.Error{Code: abi.CodeActorOverloaded, Message: "Too many actions of the namespace wait for something", Retry: time.Second}
	}
	i.release()
	f()
	s.unblock(i.v.key.class)
	if err := i.acquire(); err != nil {
		panic(err)
	}
	return nil
}

// wait is Wait for functions that cannot refuse.
func (i *Instance) wait(f func()) {
	if err := i.Wait(f); err != nil {
		panic(err)
	}
}

// block counts one more blocked guest of a class, if it may have one.
func (s *Sandbox) block(class string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocked[class] >= s.cfg.Blocked {
		return false
	}
	s.blocked[class]++
	return true
}

func (s *Sandbox) unblock(class string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocked[class]--; s.blocked[class] == 0 {
		delete(s.blocked, class)
	}
}

// inSlot runs f, which is the host's work for a guest and may take as long as a turn, in a run slot of the
// guest's class: what a class asks of the processors counts, whoever does it.
func (v *Version) inSlot(ctx context.Context, f func() error) error {
	if err := v.s.slots.Acquire(ctx, v.key.class); err != nil {
		return errNoTime
	}
	defer v.s.slots.Release()
	return f()
}

func (i *Instance) acquire() error {
	if err := i.v.s.slots.Acquire(i.ctx, i.v.key.class); err != nil {
		return errNoTime
	}
	i.slot, i.quanta = true, 0
	return nil
}

func (i *Instance) release() {
	if i.slot {
		i.slot = false
		i.v.s.slots.Release()
	}
}

// Expect returns how long a run of a class would wait for a processor that began now, by those of the class that wait
// already; ahead are runs that each come before it and wait as long. It is zero as long as at most a few wait.
func (s *Sandbox) Expect(class string, ahead int) time.Duration { return s.slots.Expect(class, ahead) }

// ForgetClass drops what is known of how fast a class runs, because it is no more.
func (s *Sandbox) ForgetClass(class string) { s.slots.Forget(class) }

// meterModule is what rewritten modules import besides what their authors wrote.
func (s *Sandbox) meterModule() HostModule {
	return HostModule{Name: meter.ImportModule, Funcs: []HostFunc{{
		Name: meter.OutOfGas,
		Call: func(_ context.Context, m api.Module, _ []uint64) {
			i, ok := s.running.Load(m)
			if !ok {
				panic("sandbox: gas of an unknown instance")
			}
			if err := i.(*Instance).refuel(); err != nil {
				panic(err)
			}
		},
	}}}
}
