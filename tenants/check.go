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
func Check(ctx context.Context, r kv.Reader, dir string, report kv.Report) (map[ID]bool, error) {
	known, g := map[ID]bool{}, newGate()
	for item, err := range r.Scan(ctx, kv.NewSpace(hostClass, spaceRegistry), kv.Range{}) {
		if err != nil {
			return nil, err
		}
		ns, ok, err := g.addOfHost(item)
		if err != nil {
			report.Found("tenants/bad_host_record", string(item.Key), "%v", err)
		}
		if ok {
			known[ns.ID] = true
		}
	}
	files := fileCheck{dir: dir, report: report, done: map[Digest]bool{}}
	for id := range known {
		if err := checkRegistry(ctx, r, id, &files); err != nil {
			return nil, err
		}
		if err := checkUsage(ctx, r, id, report); err != nil {
			return nil, err
		}
	}
	return known, nil
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
	dir    string
	report kv.Report
	done   map[Digest]bool
}

func (c *fileCheck) check(v *Version) {
	if c.done[v.Digest] {
		return
	}
	c.done[v.Digest] = true
	where := "module file " + v.Digest.String()
	f, err := os.Open(filepath.Join(c.dir, moduleFileName(v.Digest)))
	switch {
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
// It returns the actor whose space it is, and false if it is no actor's.
func CheckSpace(s kv.Space, known map[ID]bool, report kv.Report) (ActorID, bool) {
	if s == kv.NewSpace(hostClass, spaceRegistry) {
		return ActorID{}, false
	}
	ns, err := ParseID(s.Class())
	if err != nil || !known[ns] {
		report.Found("tenants/lost_namespace", s.Class(), "it holds the space %x, and no record names it", s.ID())
		return ActorID{}, false
	}
	if s.ID() == spaceRegistry || s.ID() == spaceUsage {
		return ActorID{}, false
	}
	id, ok := IDOfSpace(s)
	if !ok {
		report.Found("tenants/unknown_space", s.Class(), "the space %x is of no kind that there is", s.ID())
	}
	return id, ok
}
