package tenants

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vivarium-run/vivarium/kv"
)

// Check reports what is wrong with the registry in a store that nobody uses, and with the module files in dir:
// records that cannot be, versions without their files, files with other bytes. It returns the namespaces that there
// are. A file that no version needs is no damage: a killed process may leave one. The error is that of ctx, or of
// a store that cannot be read on.
func Check(ctx context.Context, r kv.Reader, dir string, report kv.Report) (Known, error) {
	known, h := Known{}, newHostReader()
	for item, err := range r.Scan(ctx, kv.NewSpace(hostClass, spaceRegistry), kv.Range{}) {
		if err != nil {
			return nil, err
		}
		if err := h.add(item); err != nil {
			report.Found("tenants/bad_host_record", string(item.Key), "%v", err)
		}
	}
	files := fileCheck{dir: dir, report: report, done: map[Digest]bool{}}
	for _, ns := range h.namespaces {
		known[ns.ID] = InUse
		if err := errors.Join(checkRegistry(ctx, r, ns.ID, &files), checkUsage(ctx, r, ns.ID, report)); err != nil {
			return nil, err
		}
	}
	files.leaving = true
	for _, l := range h.leaving {
		known[l.ID] = Removed
		if l.Arriving { // nothing of it agrees yet, and nobody will find it
			known[l.ID] = Unfinished
			continue
		}
		if err := errors.Join(checkRegistry(ctx, r, l.ID, &files), checkUsage(ctx, r, l.ID, report)); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// Known are the namespaces that a store has.
type Known map[ID]Standing

// Standing is what a namespace of a store is.
type Standing int

// The standings. One that is removed goes with the next start, and so does one that was arriving.
const (
	InUse Standing = iota + 1
	Removed
	Unfinished
)

// Leaving returns how many are being removed.
func (k Known) Leaving() (n int) {
	for _, s := range k {
		if s != InUse {
			n++
		}
	}
	return n
}

// checkRegistry checks the modules of one namespace, and what it keeps of tokens.
func checkRegistry(ctx context.Context, r kv.Reader, ns ID, files *fileCheck) error {
	where := "registry of " + string(ns)
	rd := newReader(ns)
	sound := true
	for item, err := range r.Scan(ctx, kv.NewSpace(classOf(ns), spaceRegistry), kv.Range{}) {
		if err != nil {
			return err
		}
		if err := rd.add(item); err != nil {
			files.report.Found("tenants/bad_record", where, "at %q: %v", item.Key, err)
			sound = false
		}
	}
	if _, err := rd.catalog(); err != nil && sound {
		files.report.Found("tenants/bad_catalog", where, "%v", err)
	}
	for _, p := range rd.programs {
		for _, v := range p.versions {
			if err := ctx.Err(); err != nil {
				return err
			}
			files.check(v)
		}
	}
	return nil
}

// checkUsage checks what a namespace is said to have used.
func checkUsage(ctx context.Context, r kv.Reader, ns ID, report kv.Report) error {
	for item, err := range r.Scan(ctx, usageSpace(ns), kv.Range{}) {
		if err != nil {
			return err
		}
		if _, _, err := decodeUsageRow(item); err != nil {
			report.Found("tenants/bad_usage", "usage of "+string(ns), "at %q: %v", item.Key, err)
		}
	}
	return nil
}

// fileCheck checks the file of each digest once.
type fileCheck struct {
	dir     string
	report  kv.Report
	done    map[Digest]bool
	leaving bool // files may be gone before the records that name them
}

func (c *fileCheck) check(v *Version) {
	if c.done[v.Digest] {
		return
	}
	c.done[v.Digest] = true
	where := "module file " + v.Digest.String()
	f, err := os.Open(filepath.Join(c.dir, moduleFileName(v.Digest)))
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.leaving:
		return
	case errors.Is(err, fs.ErrNotExist):
		c.report.Found("module/missing_file", where, "version %d of %s in %s needs it", v.Number, v.Module, v.Namespace)
		return
	case err != nil:
		c.report.Found("module/unreadable_file", where, "%v", err)
		return
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	switch {
	case err != nil:
		c.report.Found("module/unreadable_file", where, "%v", err)
	case n != v.Bytes || Digest(sum.Sum(nil)) != v.Digest:
		c.report.Found("module/wrong_file", where, "it has %d bytes, of %d that were uploaded, and not the same", n, v.Bytes)
	}
}

// CheckSpace reports a space that belongs to nobody: of a namespace that is not known, or of no kind that there is.
// It returns the actor whose space it is, and false if it is no actor's, or that of a namespace which is Unfinished.
func CheckSpace(s kv.Space, known Known, report kv.Report) (ActorID, bool) {
	if s == kv.NewSpace(hostClass, spaceRegistry) {
		return ActorID{}, false
	}
	ns, err := ParseID(s.Class())
	if _, ok := known[ns]; err != nil || !ok {
		report.Found("tenants/lost_namespace", s.Class(), "it holds the space %x, and no record names it", s.ID())
		return ActorID{}, false
	}
	if s.ID() == spaceRegistry || s.ID() == spaceUsage || known[ns] == Unfinished {
		return ActorID{}, false
	}
	id, ok := IDOfSpace(s)
	if !ok {
		report.Found("tenants/unknown_space", s.Class(), "the space %x is of no kind that there is", s.ID())
	}
	return id, ok
}

// CheckClass reports what is left of a namespace that is not known, in a class of which no space is held: a namespace that
// was deleted leaves nothing.
func CheckClass(class string, known Known, report kv.Report) {
	if _, ok := known[ID(class)]; !ok && class != hostClass {
		report.Found("tenants/remains", class, "there are rows of it, and no record names it")
	}
}
