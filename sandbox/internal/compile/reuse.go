package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// ErrOtherCode reports that an entry is not that of a module's code, as far as can be told.
var ErrOtherCode = errors.New("compile: the entry has other code")

// Reuse makes e the entry of wasm, too, without a worker: both are then one file on disk. It returns an error that is
// ErrOtherCode if the engine may make other code of wasm than of the module of e, ErrStale if e is not what it was, or one of
// our side, such as of a file system that has no links. After any of them wasm can be given to Compile.
func (c *Compiler) Reuse(e Entry, wasm []byte) (Entry, error) {
	if e.Code == "" || e.Code != codeOf(wasm) {
		return Entry{}, ErrOtherCode
	}
	name := c.names.of(wasm)
	if old, err := c.find(name); err == nil {
		return old, nil
	}
	from := c.path(e.Name)
	if err := c.verified.verify(from, e); err != nil {
		return Entry{}, err
	}
	dir, err := c.newRunDir()
	if err != nil {
		return Entry{}, fmt.Errorf("compile: reuse entry: %w", err)
	}
	defer os.RemoveAll(dir)
	e.Name = name
	staged := filepath.Join(dir, stagedName)
	if err = os.Link(from, staged); err == nil {
		err = c.place(staged, e)
	}
	if err != nil {
		c.cfg.Logger.Debug("an entry could not be reused, so a worker makes it again", slog.Any("error", err))
		return Entry{}, fmt.Errorf("compile: reuse entry: %w", err)
	}
	c.verified.set(c.path(name), c.verified.get(from)) // the same file under another name
	return e, nil
}

// codeOf returns the same for two valid modules only if the engine makes the same code of them. It finds functions, tables,
// globals, memory, segments and host functions by the order of their declarations, so their kinds and numbers are part of its
// code; how much memory there is at first, the first values of globals, names, exports and what data segments hold are not.
// It returns "" for what is no module.
func codeOf(module []byte) string {
	h := sha256.New()
	r := wasm.NewReader(module, 0)
	r.Bytes(uint32(len(wasm.Header)))
	for r.Err() == nil && r.Len() > 0 {
		id := wasm.SectionID(r.Byte())
		section := r.Sub(r.U32())
		hashSection(h, id, &section)
		if section.Err() != nil {
			return ""
		}
	}
	if r.Err() != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hashSection(h hash.Hash, id wasm.SectionID, r *wasm.Reader) {
	var part []byte
	switch id {
	case wasm.SectionCustom, wasm.SectionExport, wasm.SectionDataCount, wasm.SectionData:
		return
	case wasm.SectionMemory: // the number of memories, and of which kind the first is
		part = r.Bytes(2)
	case wasm.SectionGlobal:
		part = globalTypes(r)
	default:
		part = r.Bytes(uint32(r.Len()))
	}
	fmt.Fprintf(h, "%d %d\n", id, len(part))
	h.Write(part)
}

// globalTypes returns the type and the mutability of each global.
func globalTypes(r *wasm.Reader) (types []byte) {
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		types = append(types, r.Bytes(2)...)
		for in := (wasm.Instr{}); in.Op != wasm.OpEnd && r.Err() == nil; {
			r.Next(&in)
		}
	}
	return types
}
