package actors

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// MaxModule bounds an uploaded module, in bytes.
const MaxModule = 16 << 20

// probeTime bounds the start-up and the manifest of an uploaded module.
const probeTime = 10 * time.Second

// UploadOptions are the choices of an upload.
type UploadOptions struct {
	Module string
	Live   bool              // false leaves the live version as it is
	Force  bool              // make it live although it lacks names which have actors
	Labels map[string]string // at most 16
	Note   string
	Input  tenants.InputForm // of a plain module; empty means args
}

// Report is what the host found in a module.
type Report struct {
	Kind     string              `json:"kind"` // sdk or plain
	SDK      string              `json:"sdk,omitempty"`
	Codec    abi.Codec           `json:"codec"`
	Bytes    int64               `json:"bytes"`
	Actors   map[string][]string `json:"actors"`       // name to its actions, sorted
	Imports  []string            `json:"imports"`      // host functions that the code can reach, module.name, sorted
	Memory   uint64              `json:"memory_bytes"` // the least that an instance has
	Image    int64               `json:"image_bytes"`  // of the memory that start-up leaves; 0 if there can be no image
	StartGas int64               `json:"start_gas"`
	Warnings []string            `json:"warnings,omitempty"`
}

// Upload takes a module through its pipeline, each step of which may refuse it: stage to disk,
// check, compile, link, probe, publish. created is false if the same bytes were a version already.
func (h *Host) Upload(ctx context.Context, ns tenants.ID, wasm io.Reader, o UploadOptions) (v tenants.Version, r Report, created bool, err error) {
	defer func() { h.stats.countUpload(created, err) }()
	if err := h.Ready(); err != nil {
		return v, r, false, err
	}
	if err := h.Writable(); err != nil {
		return v, r, false, err
	}
	if !tenants.ValidName(o.Module) {
		return v, r, false, abi.Errorf(abi.CodeInvalidRequest, "a module's name is 1 to %d of A-Z, a-z, 0-9, _, . and -, beginning with a letter or digit", abi.MaxActorName)
	}
	if err := h.cfg.Registry.MayPublish(ns, o.Module, 0); err != nil {
		return v, r, false, err // before it is read
	}
	staged, err := h.cfg.Registry.Stage(wasm, MaxModule)
	if err != nil {
		return v, r, false, err
	}
	defer staged.Discard()
	code, err := h.acquire(ctx, ns, staged.Digest, staged.ReadAll)
	if err != nil {
		return v, r, false, err
	}
	defer code.Release()
	defer func() {
		if err != nil {
			h.discard(ns, staged.Digest)
		}
	}()
	v = tenants.Version{Namespace: ns, Module: o.Module, Labels: o.Labels, Note: o.Note}
	if r, err = h.inspect(ctx, code, &v, o); err != nil {
		return v, r, false, err
	}
	r.Bytes = staged.Bytes
	if v.Report, err = json.Marshal(r); err != nil {
		return v, r, false, err
	}
	var opts []tenants.Option
	if o.Force {
		opts = append(opts, tenants.Force)
	}
	v, created, err = h.cfg.Registry.Publish(ctx, staged, v, o.Live, opts...)
	return v, r, created, err
}

// inspect finds out what a compiled module is, and fills v and the report with it.
func (h *Host) inspect(ctx context.Context, code *sandbox.Version, v *tenants.Version, o UploadOptions) (Report, error) {
	found := code.Report()
	r := Report{Imports: found.Imports, Memory: found.MemoryBytes, Image: found.ImageBytes, StartGas: found.StartGas, Actors: map[string][]string{}}
	for _, why := range found.Obstacles {
		r.Warnings = append(r.Warnings, "each instance runs the start-up again, because "+why)
	}
	entries := found.Entries
	manifest, turn := slices.Contains(entries, abi.ExportManifest), slices.Contains(entries, abi.ExportTurn)
	if manifest != turn {
		return r, abi.Errorf(abi.CodeModuleInvalid, "a module exports both %s and %s, or neither", abi.ExportManifest, abi.ExportTurn)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if manifest {
		m, err := h.probeManifest(ctx, v.Namespace, code)
		if err != nil {
			return r, err
		}
		if o.Input != "" {
			return r, abi.Errorf(abi.CodeInvalidRequest, "only a plain module has an input form")
		}
		v.Codec, v.Actors, v.Egress, v.Uploads = m.Codec, m.Actors, m.Egress, m.Uploads
		r.Kind, r.SDK, r.Codec = "sdk", m.SDK, m.Codec
	} else {
		if err := h.probeStart(ctx, v.Namespace, code); err != nil {
			return r, err
		}
		actions := plainActions(entries)
		if len(actions) == 0 {
			return r, abi.Errorf(abi.CodeModuleInvalid, "the module exports no function of type () -> i32, so it has no action")
		}
		v.Plain, v.Codec, v.Input = true, abi.JSON, o.Input
		if v.Input == "" {
			v.Input = tenants.InputArgs
		}
		v.Actors = map[string]abi.ActorManifest{o.Module: {Actions: actions}}
		r.Kind, r.Codec = "plain", abi.JSON
		r.Warnings = append(r.Warnings, "every actor of this module begins with what its start-up code leaves in memory; durable are only vars, state and KV")
	}
	for name, a := range v.Actors {
		actions := []string{}
		for action := range a.Actions {
			actions = append(actions, action)
		}
		slices.Sort(actions)
		r.Actors[name] = actions
	}
	return r, nil
}

// DeleteModule removes a module with all its versions; CodeModuleInUse while it has actors.
func (h *Host) DeleteModule(ctx context.Context, ns tenants.ID, module string) error {
	versions, err := h.cfg.Registry.Versions(ns, module)
	if err != nil {
		return err
	}
	if err := h.cfg.Registry.DeleteModule(ctx, ns, module); err != nil {
		return err
	}
	for _, v := range versions {
		h.discard(ns, v.Digest)
	}
	return nil
}

// discard takes what is prepared of a module out of memory, unless a version still has these bytes.
// Otherwise modules that nobody has would push out those of other namespaces.
func (h *Host) discard(ns tenants.ID, d tenants.Digest) {
	for _, m := range h.cfg.Registry.Modules(ns) {
		versions, _ := h.cfg.Registry.Versions(ns, m.Name) // a module that is gone has none
		if slices.ContainsFunc(versions, func(v tenants.Version) bool { return v.Digest == d }) {
			return
		}
	}
	h.cfg.Sandbox.Discard(string(ns), d)
}
