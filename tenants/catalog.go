package tenants

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Limits of a namespace's modules. Over them a change is CodeModuleLimit.
const (
	maxModules  = 1_000
	maxVersions = 1_000 // of one module
)

// catalog is all modules of one namespace at one moment. It is immutable: a change makes another
// one, so readers take no lock.
//
// An actor name belongs to one module, from the moment that the module's first version with the
// name is published, live or not, until the module is deleted: going back to an old version must
// always be possible.
type catalog struct {
	modules map[string]*program
	owners  map[string]string   // actor name to module name
	live    map[string]*Version // actor name to the live version that defines it
	canary  map[string]*Version // actor name to the version that some of the actors run
}

// program is a module with its versions. It is immutable.
type program struct {
	Module
	versions []*Version // number n at index n-1; len(versions) == Latest
	names    []string   // every actor name that a version defines, sorted
}

// newCatalog indexes modules, which it keeps. It fails if two of them define one actor name.
func newCatalog(modules map[string]*program) (*catalog, error) {
	c := &catalog{modules: modules, owners: map[string]string{}, live: map[string]*Version{}, canary: map[string]*Version{}}
	for _, p := range modules {
		for _, actor := range p.names {
			if owner, taken := c.owners[actor]; taken {
				return nil, errTaken(actor, owner)
			}
			c.owners[actor] = p.Name
		}
		if p.Live == 0 {
			continue
		}
		v := p.versions[p.Live-1]
		for actor := range v.Actors {
			c.live[actor] = v
		}
		if p.Canary == nil {
			continue
		}
		for actor := range p.versions[p.Canary.Version-1].Actors {
			c.canary[actor] = p.versions[p.Canary.Version-1]
		}
	}
	return c, nil
}

func errTaken(actor, module string) error {
	return abi.Errorf(abi.CodeModuleNameTaken, "the actor name %s belongs to the module %s", actor, module).
		With(map[string]string{"actor": actor, "module": module})
}

// with returns the catalog with p in place of the module of its name.
func (c *catalog) with(p *program) (*catalog, error) {
	// Checked before the index is made, so that the answer names the other module, always the same.
	for _, actor := range p.names {
		if owner, taken := c.owners[actor]; taken && owner != p.Name {
			return nil, errTaken(actor, owner)
		}
	}
	modules := maps.Clone(c.modules)
	if modules[p.Name] = p; len(modules) > maxModules {
		return nil, abi.Errorf(abi.CodeModuleLimit, "a namespace has at most %d modules", maxModules)
	}
	return newCatalog(modules)
}

// without returns the catalog without a module.
func (c *catalog) without(module string) (*catalog, error) {
	modules := maps.Clone(c.modules)
	delete(modules, module)
	return newCatalog(modules)
}

// module returns a module, or CodeModuleNotFound.
func (c *catalog) module(name string) (*program, error) {
	if p, ok := c.modules[name]; ok {
		return p, nil
	}
	return nil, abi.Wrap(abi.CodeModuleNotFound, nil)
}

// version returns version n, or CodeModuleNotFound.
func (p *program) version(n int) (*Version, error) {
	if n < 1 || n > len(p.versions) {
		return nil, abi.Errorf(abi.CodeModuleNotFound, "the module %s has no version %d", p.Name, n)
	}
	return p.versions[n-1], nil
}

// same returns the version with the identity of v, or nil.
func (p *program) same(v *Version) *Version {
	for _, old := range p.versions {
		if old.Digest == v.Digest && old.Input == v.Input {
			return old
		}
	}
	return nil
}

// add returns the program with v, which carries the next number, as its newest version.
func (p *program) add(v *Version) (*program, error) {
	if v.Number != p.Latest+1 {
		return nil, fmt.Errorf("version %d follows version %d", v.Number, p.Latest)
	}
	if v.Number > maxVersions {
		return nil, abi.Errorf(abi.CodeModuleLimit, "a module has at most %d versions", maxVersions)
	}
	q := *p
	q.Latest = v.Number
	// append may write behind the end of p's array, where p does not look and no other successor
	// of p writes: there is one writer, and a successor that was not committed is forgotten.
	q.versions = append(p.versions, v)
	q.names = slices.Clone(p.names)
	for actor := range v.Actors {
		q.names = append(q.names, actor)
	}
	slices.Sort(q.names)
	q.names = slices.Compact(q.names)
	return &q, nil
}

// lacking returns the names of p that v does not define.
func (p *program) lacking(v *Version) []string {
	var names []string
	for _, actor := range p.names {
		if _, ok := v.Actors[actor]; !ok {
			names = append(names, actor)
		}
	}
	return names
}

// list returns the modules in order of their names.
func (c *catalog) list() []Module {
	list := make([]Module, 0, len(c.modules))
	for _, name := range slices.Sorted(maps.Keys(c.modules)) {
		list = append(list, c.modules[name].Module)
	}
	return list
}

// size returns how many modules there are, and the bytes of all their versions.
func (c *catalog) size() (modules, bytes int64) {
	for _, p := range c.modules {
		for _, v := range p.versions {
			bytes += v.Bytes
		}
	}
	return int64(len(c.modules)), bytes
}
