package compile

import (
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Options are the choices that a worker and the host that loads its entries must share.
type Options struct {
	// MemoryPages bounds a module's linear memory, in Wasm pages of 64 KiB. Zero means 1,024.
	MemoryPages uint32 `json:"memory_pages"`
	// CloseOnContextDone compiles the checks of [wazero.RuntimeConfig.WithCloseOnContextDone] in. It
	// is part of an entry's name.
	CloseOnContextDone bool `json:"close_on_context_done,omitempty"`
}

func (o *Options) setDefaults() {
	if o.MemoryPages == 0 {
		o.MemoryPages = 1024
	}
}

// RuntimeConfig returns the configuration of a runtime whose code is compatible with o, for the worker
// and for the host alike: features, compiler, memory limit. What is not in o is fixed here. The
// compilation cache is added by the caller.
//
// wazero puts neither the features nor debug information into the names of cache entries, so this
// function is the only place where they may be chosen.
func RuntimeConfig(o Options) wazero.RuntimeConfig {
	o.setDefaults()
	return wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(o.MemoryPages).
		WithDebugInfoEnabled(false). // names in backtraces come from the name section
		WithCloseOnContextDone(o.CloseOnContextDone)
}
