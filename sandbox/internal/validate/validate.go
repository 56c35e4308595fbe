package validate

import (
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// Module checks b against the format and l. A refused module is an *Error.
func Module(b []byte, l Limits) (*Facts, error) {
	l.setDefaults()
	c := &checker{b: b, lim: l, f: &Facts{Size: len(b), Start: -1}, section: "module"}
	if err := c.module(); err != nil {
		return nil, err
	}
	return c.f, nil
}

// checker is one run of Module.
type checker struct {
	b       []byte
	lim     Limits
	f       *Facts
	section string      // for errors
	r       wasm.Reader // of the current section

	funcs     int // declared by the function section
	codes     int // bodies in the code section
	dataCount uint32
	custom    int      // bytes of custom sections
	mutable   int      // globals that are
	control   []frame  // reused by bodies
	framing   framing  // reused by bodies
	refs      []bool   // functions that a table may hold
	calls     []uint32 // called functions, of all bodies in turn
	callEnds  []int    // end in calls of each body
}

func (c *checker) module() error {
	if len(c.b) > c.lim.ModuleBytes {
		return c.over(0, "bytes of the module", uint64(len(c.b)), uint64(c.lim.ModuleBytes))
	}
	switch s := string(c.b[:min(8, len(c.b))]); {
	case s == wasm.ComponentHeader:
		return c.fail(Unsupported, 0, "this is a WebAssembly component; build a core module instead")
	case !strings.HasPrefix(s, wasm.Header[:4]):
		return c.malformed(0, "magic header not detected")
	case s != wasm.Header:
		return c.malformed(4, "unknown binary version")
	}
	if err := c.sections(); err != nil {
		return err
	}
	c.section = "module"
	end := int64(len(c.b))
	switch {
	case c.funcs != c.codes:
		return c.malformed(end, "function and code section have inconsistent lengths: %d and %d", c.funcs, c.codes)
	case c.f.HasDataCount && int(c.dataCount) != c.f.Datas:
		return c.malformed(end, "data count and data section have inconsistent lengths: %d and %d", c.dataCount, c.f.Datas)
	}
	c.reach()
	return nil
}

// sections reads the sections in turn.
func (c *checker) sections() error {
	r := wasm.NewReader(c.b[8:], 8)
	last := 0
	for r.Len() > 0 {
		c.section = "module"
		at := r.Offset()
		id := wasm.SectionID(r.Byte())
		size := r.U32()
		if r.Err() == nil && !id.Known() {
			return c.malformed(at, "malformed section id %d", id)
		}
		offset := r.Offset()
		c.r = r.Sub(size)
		if r.Err() != nil {
			return c.readErr(&r)
		}
		c.section = id.String()
		if id == wasm.SectionTag {
			return c.unsupported(at, wasm.Exceptions)
		}
		if id != wasm.SectionCustom {
			if id.Order() <= last {
				return c.malformed(at, "unexpected content after last section: the section is out of order or occurs twice")
			}
			last = id.Order()
		}
		c.f.Sections = append(c.f.Sections, Section{ID: id, Offset: offset, Size: size})
		if err := c.one(id); err != nil {
			return err
		}
		if c.r.Err() != nil {
			return c.readErr(&c.r)
		}
		if c.r.Len() > 0 {
			return c.malformed(c.r.Offset(), "section size mismatch: %d bytes are left", c.r.Len())
		}
	}
	return nil
}

func (c *checker) one(id wasm.SectionID) error {
	switch id {
	case wasm.SectionCustom:
		return c.customSection()
	case wasm.SectionType:
		return c.typeSection()
	case wasm.SectionImport:
		return c.importSection()
	case wasm.SectionFunction:
		return c.funcSection()
	case wasm.SectionTable:
		return c.tableSection()
	case wasm.SectionMemory:
		return c.memorySection()
	case wasm.SectionGlobal:
		return c.globalSection()
	case wasm.SectionExport:
		return c.exportSection()
	case wasm.SectionStart:
		return c.startSection()
	case wasm.SectionElement:
		return c.elemSection()
	case wasm.SectionDataCount:
		return c.dataCountSection()
	case wasm.SectionCode:
		return c.codeSection()
	case wasm.SectionData:
		return c.dataSection()
	}
	panic(fmt.Sprintf("validate: section %d is known and not handled", id))
}

// count reads the length of a vector whose elements take at least size bytes.
func (c *checker) count(what string, size, limit int) (int, error) {
	at := c.r.Offset()
	n := uint64(c.r.U32())
	if c.r.Err() != nil {
		return 0, c.readErr(&c.r)
	}
	if n*uint64(size) > uint64(c.r.Len()) {
		return 0, c.malformed(at, "length out of bounds: %d %s are declared, %d bytes are left", n, what, c.r.Len())
	}
	if n > uint64(limit) {
		return 0, c.over(at, what, n, uint64(limit))
	}
	return int(n), nil
}

func (c *checker) customSection() error {
	at := c.r.Offset()
	c.custom += c.r.Len()
	if c.custom > c.lim.CustomBytes {
		return c.over(at, "bytes of custom sections", uint64(c.custom), uint64(c.lim.CustomBytes))
	}
	if len(c.f.Customs) >= c.lim.Customs {
		return c.over(at, "custom sections", uint64(len(c.f.Customs)+1), uint64(c.lim.Customs))
	}
	name := c.r.Name()
	if c.r.Err() != nil {
		return c.readErr(&c.r)
	}
	c.f.Customs = append(c.f.Customs, Custom{
		Name:   strings.ToValidUTF8(string(name[:min(256, len(name))]), ""),
		Offset: c.r.Offset(),
		Size:   uint32(c.r.Len()),
	})
	c.r.Bytes(uint32(c.r.Len()))
	return nil
}
