package density

import (
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// held is what a process has at one moment, as Linux says.
type held struct {
	rss, own    int64 // bytes in memory; of these the ones that no file has
	descriptors int   // but those of tables
	tables      int   // descriptors of the store's tables: they come and go with the bytes that it holds
}

func (h *host) holds() (v held) {
	h.t.Helper()
	all, err := h.Holds()
	if err != nil {
		h.t.Fatal(err)
	}
	v = held{rss: all.RSS(), own: all.Anon, descriptors: len(all.Open)}
	for _, at := range all.Open {
		if strings.HasSuffix(at, ".sst") {
			v.tables++
		}
	}
	v.descriptors -= v.tables
	return v
}

// settle waits until hosts have nothing left to do, and have given back what they do not need: their own memory stays
// as it is for some seconds.
func settle(hosts ...*host) {
	for _, h := range hosts {
		before, quiet := h.holds().own, 0
		h.Await(2*time.Minute, time.Second, func() bool {
			now := h.holds().own
			if quiet++; now > before+1<<20 || now < before-1<<20 {
				before, quiet = now, 0
			}
			return quiet > 6
		})
	}
}

// used returns how much of the disk a folder takes, in bytes.
func used(t testing.TB, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			n += st.Blocks * 512
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
