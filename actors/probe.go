package actors

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/schemas"
	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// probe is the world of a module that is being looked at: it has no actor, so start-up code and
// manifest can read nothing and leave nothing. What it prints is kept for the answer.
type probe struct {
	hostfuncs.Nothing
	ctx     context.Context
	now     time.Time
	slept   time.Duration
	printed []byte
}

var (
	_ hostfuncs.Actor = (*probe)(nil)
	_ sandbox.Env     = (*probe)(nil)
)

func (p *probe) State() ([]byte, bool, error)                       { return nil, false, errStartup }
func (p *probe) SetState([]byte) error                              { return errStartup }
func (p *probe) KVGet([]byte) ([]byte, bool, error)                 { return nil, false, errStartup }
func (p *probe) KVPut(_, _ []byte) error                            { return errStartup }
func (p *probe) KVDelete([]byte) error                              { return errStartup }
func (p *probe) KVList(hostfuncs.ListRequest) ([]byte, error)       { return nil, errStartup }
func (p *probe) KVDeleteRange(hostfuncs.ListRequest) (int64, error) { return 0, errStartup }
func (p *probe) Var([]byte) ([]byte, bool, error)                   { return nil, false, errStartup }
func (p *probe) SetVar(_, _ []byte) error                           { return errStartup }
func (p *probe) Broadcast(string, []byte) error                     { return errStartup }
func (p *probe) Self() []byte                                       { return []byte("{}") }
func (p *probe) Config(string) (string, bool)                       { return "", false }
func (p *probe) Log(_ hostfuncs.Level, text []byte)                 { p.Output(2, append(bytes.Clone(text), '\n')) }
func (p *probe) Now() time.Time                                     { return p.now }
func (p *probe) Random(b []byte)                                    { rand.Read(b) }

// Output keeps the first bytes of what the module prints.
func (p *probe) Output(_ int, b []byte) {
	if room := abi.MaxErrorText - len(p.printed); room > 0 {
		p.printed = append(p.printed, b[:min(room, len(b))]...)
	}
}

// Sleep waits for d or until the probe's time is up.
func (p *probe) Sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	began := time.Now()
	defer func() { p.slept += time.Since(began) }()
	select {
	case <-timer.C:
		p.now = p.now.Add(d)
	case <-p.ctx.Done():
	}
}

// acquire returns the version of a module, prepared if need be.
func (h *Host) acquire(ctx context.Context, ns tenants.ID, d tenants.Digest, load func() ([]byte, error)) (*sandbox.Version, error) {
	v, err := h.cfg.Sandbox.Acquire(ctx, sandbox.Source{
		Class: string(ns), Digest: d, Load: load,
		Start: func(ctx context.Context) (context.Context, sandbox.Env) {
			p := &probe{Nothing: hostfuncs.Nothing{Err: errStartup}, ctx: ctx, now: h.now()}
			return hostfuncs.NewStartup(ctx, p, &hostfuncs.Kernel{}), p
		},
	})
	// The probe may be that of another upload of the same bytes, which came first.
	var failed *sandbox.StartError
	if errors.As(err, &failed) {
		return nil, failed.Env.(*probe).refusal("start-up", failed.Err)
	}
	return v, err
}

// start makes an instance of an uploaded module.
func (h *Host) start(ctx context.Context, ns tenants.ID, code *sandbox.Version, k *hostfuncs.Kernel) (*sandbox.Instance, *probe, error) {
	if err := h.instances.acquire(ctx, &claim{ns: ns}); err != nil {
		return nil, nil, err
	}
	p := &probe{Nothing: hostfuncs.Nothing{Err: errStartup}, ctx: ctx, now: h.now()}
	instance, err := code.NewInstance(hostfuncs.NewStartup(ctx, p, k), p)
	if err != nil {
		h.instances.release(ns, nil)
		return nil, nil, p.refusal("start-up", err)
	}
	return instance, p, nil
}

// probeStart makes an instance and drops it.
func (h *Host) probeStart(ctx context.Context, ns tenants.ID, code *sandbox.Version) error {
	var k hostfuncs.Kernel
	instance, _, err := h.start(ctx, ns, code, &k)
	if err != nil {
		return err
	}
	instance.Close()
	h.instances.release(ns, nil)
	return nil
}

// probeManifest asks a module what it is.
func (h *Host) probeManifest(ctx context.Context, ns tenants.ID, code *sandbox.Version) (abi.Manifest, error) {
	var k hostfuncs.Kernel
	instance, p, err := h.start(ctx, ns, code, &k)
	if err != nil {
		return abi.Manifest{}, err
	}
	defer h.instances.release(ns, nil)
	defer instance.Close()
	c := hostfuncs.NewCall(ctx, p, &k, instance, nil)
	n, err := instance.Call(c, abi.ExportManifest)
	if err != nil {
		return abi.Manifest{}, p.refusal(abi.ExportManifest, err)
	}
	if n != 0 {
		return abi.Manifest{}, p.refusal(abi.ExportManifest, &sandbox.TrapError{Kind: "it returned an error"})
	}
	// Its schemas are compiled, which takes as long as the rest. The wait for that is not the module's.
	var m abi.Manifest
	err = h.cfg.Sandbox.Chore(context.WithoutCancel(ctx), string(ns), func() (err error) {
		m, err = readManifest(c.Output())
		return err
	})
	return m, err
}

// busyGas is what a start-up computes in its time even on a machine that is busy, about a second of a
// processor's. That of a Go guest takes some hundredths of it.
const busyGas = abi.MaxGas / 5

// notTheGuests are verdicts on a module that do not come from running it.
var notTheGuests = map[abi.Code]bool{
	abi.CodeModuleMalformed: true, abi.CodeModuleLimit: true, abi.CodeModuleUnsupported: true, abi.CodeModuleImport: true,
	abi.CodeModuleInvalid: true, abi.CodeHostBusy: true, abi.CodeUnavailable: true,
}

// refusal says why a module is not taken, with what it printed.
func (p *probe) refusal(step string, err error) error {
	var trap *sandbox.TrapError
	var limit *sandbox.LimitError
	why := ""
	switch {
	case errors.As(err, &trap):
		why = trap.Kind
	case errors.As(err, &limit) && !limit.Gas && limit.Used < busyGas && p.slept < probeTime/2:
		// It ran into our deadline, has computed next to nothing and did not wait of its own will: it
		// waited for a processor.
		return &abi.Error{Code: abi.CodeHostBusy, Message: "The host is too busy to start a module", Retry: probeTime, Cause: err}
	case errors.As(err, &limit):
		return abi.Errorf(abi.CodeModuleLimit, "the module's %s does not end: %s", step, limit.Text)
	case notTheGuests[abi.CodeOf(err)]:
		return err
	case abi.CodeOf(err) != abi.CodeInternal:
		why = abi.AsError(err).PublicMessage() // a host function refused it
	default:
		return err // our fault
	}
	e := abi.Errorf(abi.CodeModuleInvalid, "the module's %s fails: %s", step, why)
	e.Cause = err
	if len(p.printed) > 0 {
		return e.With(map[string]any{"output": clip(string(p.printed))})
	}
	return e
}

// readManifest checks what a module says of itself. Package tenants checks the names.
func readManifest(doc []byte) (abi.Manifest, error) {
	var m abi.Manifest
	bad := func(format string, args ...any) (abi.Manifest, error) {
		return m, abi.Errorf(abi.CodeModuleInvalid, "the module's manifest is wrong: "+format, args...)
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields() // an option that this host does not know must not be dropped silently
	if err := d.Decode(&m); err != nil {
		return bad("%s", clip(err.Error()))
	}
	if d.More() {
		return bad("there is more than one document")
	}
	switch {
	case m.ABI != abi.ABIVersion:
		return bad("its ABI version is %d, this host has %d", m.ABI, abi.ABIVersion)
	case m.Codec != abi.JSON:
		return bad("its codec is %q, this host takes json", clip(string(m.Codec)))
	}
	if why := checkManifest(&m); why != "" {
		return bad("%s", why)
	}
	if err := checkWish(m.Egress); err != nil {
		return bad("its egress: %s", clip(err.Error()))
	}
	if err := schemas.Verify(&m); err != nil {
		return bad("%s", clip(err.Error()))
	}
	return m, nil
}
