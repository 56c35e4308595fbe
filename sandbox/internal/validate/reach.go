package validate

import "github.com/vivarium-run/vivarium/sandbox/internal/wasm"

// ref notes that something besides a call in the code may lead to a function: a table, an export.
func (c *checker) ref(fn uint32) {
	if c.refs == nil {
		c.refs = make([]bool, len(c.f.Funcs))
	}
	c.refs[fn] = true
}

// reach walks the call graph and marks the imports that it reaches. Each edge is followed once.
func (c *checker) reach() {
	f := c.f
	if c.refs == nil {
		c.refs = make([]bool, len(f.Funcs))
	}
	seen := c.refs // what is referred to is where the walk begins
	var queue []uint32
	for fn, ok := range seen {
		if ok {
			queue = append(queue, uint32(fn))
		}
	}
	visit := func(fn uint32) {
		if !seen[fn] {
			seen[fn] = true
			queue = append(queue, fn)
		}
	}
	if f.Start >= 0 {
		visit(uint32(f.Start))
	}
	for len(queue) > 0 {
		fn := int(queue[len(queue)-1]) - f.ImportedFuncs
		queue = queue[:len(queue)-1]
		if fn < 0 {
			continue
		}
		from := 0
		if fn > 0 {
			from = c.callEnds[fn-1]
		}
		for _, callee := range c.calls[from:c.callEnds[fn]] {
			visit(callee)
		}
	}
	for i := range f.Imports {
		if im := &f.Imports[i]; im.Kind == wasm.ExternFunc {
			im.Reached = seen[im.Index]
		}
	}
}
