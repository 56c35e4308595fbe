package sandbox

import (
	"context"

	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
	"github.com/vivarium-run/vivarium/tenants"
)

// Sleep keeps what an actor's memory has more than the image, and closes the instance. position is the
// number of the last delta of the store that the memory includes; nothing after it may be in flight.
// What is kept is a cache and may be lost at any time. A memory on which the guest has spent less than
// Config.KeepGas is not kept: to pack, write, read and unpack it takes longer than to make it again.
func (i *Instance) Sleep(id tenants.ActorID, position uint64) {
	defer i.Close()
	if i.broken || i.v.image == nil || !i.woken && i.worth < i.v.s.cfg.KeepGas {
		return
	}
	err := i.v.inSlot(context.Background(), func() error {
		d, err := pagedelta.Capture(i.mem, mark(id, position), i.globals.Values(nil))
		if err == nil {
			i.v.s.deltas.Put(id, d)
		}
		return err
	})
	if err != nil {
		i.v.s.cfg.Logger.Debug("an actor's memory is not kept", "actor", id, "error", err)
	}
}

// Wake returns an instance with the memory that the actor fell asleep with, if that is still to be had
// and is of exactly this position and image; otherwise an instance as start-up leaves it, and false.
func (v *Version) Wake(ctx context.Context, env Env, id tenants.ActorID, position uint64) (*Instance, bool, error) {
	i, err := v.NewInstance(ctx, env)
	if err != nil || v.image == nil {
		return i, false, err
	}
	d, ok := v.s.deltas.Take(id)
	if !ok || !d.Matches(mark(id, position), v.image.Digest()) {
		return i, false, nil
	}
	if err := v.inSlot(ctx, func() error { return i.apply(d) }); err != nil {
		v.s.cfg.Logger.Warn("an actor's memory cannot be used", "actor", id, "error", err)
		i.broken = true
		i.Close()
		i, err = v.NewInstance(ctx, env)
		return i, false, err
	}
	i.woken = true
	return i, true, nil
}

func (i *Instance) apply(d *pagedelta.Delta) error {
	if more := d.WasmPages() - i.mem.WasmPages(); more > 0 {
		i.mod.Memory().Grow(more) // Apply refuses a memory that did not
	}
	if err := d.Apply(i.mem); err != nil {
		return err
	}
	return i.globals.Set(d.Globals())
}

// Forget drops what is kept of an actor that is no more.
func (s *Sandbox) Forget(id tenants.ActorID) { s.deltas.Drop(id) }

func mark(id tenants.ActorID, position uint64) pagedelta.Mark {
	return pagedelta.Mark{Owner: string(id.Namespace) + "/" + id.String(), Position: position}
}
