package actors

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// uploadedBy is the label of a version that an actor uploaded: the module of that actor. Only actors of that
// module may upload another version of it.
const uploadedBy = "uploaded_by"

// moduleOptions are what module_upload takes.
type moduleOptions struct {
	Live   bool              `json:"live"` // must be false: see UploadModule
	Labels map[string]string `json:"labels"`
	Note   string            `json:"note"`
	Input  tenants.InputForm `json:"input"`
}

// moduleAnswer is what module_upload gives.
type moduleAnswer struct {
	Module  string              `json:"module"`
	Version int                 `json:"version"`
	Created bool                `json:"created"` // false: the same bytes were a version already
	Live    bool                `json:"live"`    // for the actor's children only
	Actors  map[string][]string `json:"actors"`
	Report  Report              `json:"report"`
}

// UploadModule implements hostfuncs.Peers. The module goes the way of any upload. It is live for the children
// of this actor only, from the next child on, until somebody with the right to deploy makes it live for all.
func (t *turn) UploadModule(module string, wasm, options []byte) ([]byte, error) {
	o, err := t.mayUpload(module, wasm, options)
	if err != nil {
		return nil, err
	}
	var v tenants.Version
	var r Report
	var created bool
	wasm = bytes.Clone(wasm)
	err = t.waitFor(tenants.ActorID{}, func(ctx context.Context, _ lineage) (err error) {
		if enter := t.a.h.cfg.EnterUpload; enter != nil {
			leave, err := enter(t.a.id.Namespace)
			if err != nil {
				return err
			}
			defer leave()
		}
		v, r, created, err = t.a.h.Upload(ctx, t.a.id.Namespace, bytes.NewReader(wasm), o)
		return err
	})
	if err != nil {
		t.relay(err)
		return nil, err
	}
	row, err := json.Marshal(pin{Module: v.Module, Version: v.Number, By: t.a.version.Module})
	if err != nil {
		return nil, err
	}
	for name := range v.Actors {
		t.changes.Put(tableKey(tablePins, []byte(name)), row)
	}
	return json.Marshal(moduleAnswer{Module: v.Module, Version: v.Number, Created: created, Actors: r.Actors, Report: r})
}

// mayUpload checks the capability, the name and the options.
func (t *turn) mayUpload(module string, wasm, options []byte) (u UploadOptions, err error) {
	if t.startup {
		return u, errStartup
	}
	if err := t.countCall(); err != nil {
		return u, err
	}
	ns, own := t.a.id.Namespace, t.a.version.Module
	if !t.a.version.Uploads || !t.a.h.cfg.Registry.Grants(ns, own).Uploads {
		return u, abi.Errorf(abi.CodeForbidden, "the module may not upload modules: its manifest must ask for it, and the namespace grant it")
	}
	var o moduleOptions
	if len(options) > 0 {
		if err := decodeStrict(options, &o); err != nil {
			return u, abi.Errorf(abi.CodeInvalidArgument, "the options are wrong: %s", clip(err.Error()))
		}
	}
	switch m, err := t.a.h.cfg.Registry.Module(ns, module); {
	case o.Live:
		return u, abi.Errorf(abi.CodeInvalidArgument, "what an actor uploads is live for its children only, until it is deployed")
	case len(wasm) > MaxModule:
		return u, abi.Errorf(abi.CodeBodyTooLarge, "the module is larger than %d bytes", MaxModule)
	case err == nil && !t.a.h.wasUploadedBy(m, own):
		return u, abi.Errorf(abi.CodeForbidden, "there is a module of this name that actors of %s did not upload", own)
	}
	labels := map[string]string{}
	for k, v := range o.Labels {
		labels[k] = v
	}
	labels[uploadedBy] = own
	return UploadOptions{Module: module, Labels: labels, Note: o.Note, Input: o.Input}, nil
}

// wasUploadedBy reports whether the newest version of a module came from an actor of another.
func (h *Host) wasUploadedBy(m tenants.Module, by string) bool {
	v, err := h.cfg.Registry.Version(m.Namespace, m.Name, m.Latest)
	return err == nil && v.Labels[uploadedBy] == by
}
