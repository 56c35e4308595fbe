package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
	"github.com/vivarium-run/vivarium/tenants"
)

// Discard drops the version of a module that is no more, so that it takes nobody's place among those
// that are kept, and what is prepared of it on disk. A version in use goes with its last user.
func (s *Sandbox) Discard(class string, d tenants.Digest) {
	key := versionKey{class, d}
	if v := s.leave(key); v != nil {
		v.free()
	}
	if err := s.removePrepared(key); err != nil {
		s.cfg.Logger.Warn("what is prepared of a module that is gone could not be removed", "module", d, "error", err)
	}
}

// leave takes a version from those that are kept, and returns it if nobody uses it.
func (s *Sandbox) leave(key versionKey) *Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.versions[key]
	if v == nil {
		return nil
	}
	delete(s.versions, key)
	if v.users > 0 {
		return nil
	}
	s.idle = slices.DeleteFunc(s.idle, func(i *Version) bool { return i == v })
	return v
}

// removePrepared deletes the files of a preparation. Whoever comes for one of them later makes it again.
func (s *Sandbox) removePrepared(key versionKey) error {
	base := s.base(key)
	doc, err := readFile(base+".json", maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var rec prepared
	if err == nil {
		err = json.Unmarshal(doc, &rec)
	}
	for _, name := range []string{base + ".json", base + ".image"} {
		if e := os.Remove(name); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	s.removeEntries(key.class, rec.First, rec.Entry)
	return err
}

// removeEntries deletes compiled code that its module does not need any more. It is a chore as loading is, for
// between the look at an entry and its load nobody may take it away: the engine would compile in this process.
// A folder that several sandboxes share is left alone; the others may be right there.
func (s *Sandbox) removeEntries(class string, entries ...compile.Entry) {
	if s.sharesCode {
		return
	}
	err := s.Chore(context.Background(), class, func() (err error) {
		for _, e := range entries {
			if e.Name != "" {
				err = errors.Join(err, s.compiler.Remove(e))
			}
		}
		return err
	})
	if err != nil {
		s.cfg.Logger.Warn("compiled code that nobody needs could not be removed", "error", err)
	}
}
