package guest

import (
	"encoding/json"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Limits narrow what a child may do. Zero leaves what its parent may.
type Limits struct {
	TurnGas  int64 // of one turn
	Gas      int64 // in all
	Memory   int64 // bytes of an instance
	Stored   int64 // bytes of state, KV and the rest
	Egress   []string
	Lifetime time.Duration
}

// ChildUsage says what a child has used, and why it has ended.
type ChildUsage = abi.ChildUsage

// CreateChild makes an actor that ends with this one, at once. Unless Egress names hosts, it reaches
// none. One that passes its limits ends; DestroyActor ends it before, also in the middle of a turn.
func (c *env) CreateChild(r Ref, input any, l Limits) (*ActorInfo, error) {
	return c.create(&abi.ActorSpec{Name: r.Name, Key: r.Key, Child: true, Limits: &abi.ChildLimits{
		TurnGas: l.TurnGas, Gas: l.Gas, Memory: l.Memory, Stored: l.Stored, Egress: l.Egress, Lifetime: l.Lifetime.Milliseconds(),
	}}, input)
}

// ChildUsage says what a child, by its id, has used, also one that has ended. It is nil if this actor
// has no such child.
func (c *env) ChildUsage(id string) (*ChildUsage, error) {
	return decoded[ChildUsage](c.host.ChildUsage(id))
}

// UploadOptions say what an uploaded module is for, as for an upload over HTTP.
type UploadOptions struct {
	Labels map[string]string `json:"labels,omitempty"`
	Note   string            `json:"note,omitempty"`
	Input  string            `json:"input,omitempty"` // of a plain module: args or value
}

// ModuleInfo says what became of an upload.
type ModuleInfo struct {
	Module  string              `json:"module"`
	Version int                 `json:"version"`
	Created bool                `json:"created"` // false: the same bytes were a version already
	Actors  map[string][]string `json:"actors"`  // the actions of each
}

// UploadModule uploads a module for the actor's children, at once; its Def must say Uploads, and the namespace
// grant it. It is live for the children of this actor only, until it is deployed. It is not undone if the
// turn fails later.
func (c *env) UploadModule(name string, wasm []byte, o UploadOptions) (*ModuleInfo, error) {
	options, err := json.Marshal(&o)
	if err != nil {
		return nil, err
	}
	b, err := c.host.ModuleUpload(name, wasm, options)
	return decoded[ModuleInfo](b, err == nil, err)
}
