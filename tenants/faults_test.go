package tenants

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// fault is a real store whose commits fail as a test says.
type fault struct {
	kv.Store
	commit func(l kv.Lease, d *kv.Delta, done func(error)) // nil means the store's own
}

func (f *fault) Commit(l kv.Lease, d *kv.Delta, done func(error)) {
	if f.commit != nil {
		f.commit(l, d, done)
		return
	}
	f.Store.Commit(l, d, done)
}

// refuse fails as the contract says: nothing is written, and the lease is fenced from now on.
func (f *fault) refuse(err error) func(kv.Lease, *kv.Delta, func(error)) {
	return func(l kv.Lease, _ *kv.Delta, done func(error)) {
		if _, claimErr := f.Claim(context.Background(), l.Space); claimErr != nil {
			err = claimErr
		}
		done(err)
	}
}

// changes are all that write.
func changes(r *Registry) map[string]func() error {
	ctx := context.Background()
	return map[string]func() error{
		"CreateNamespace": func() error { _, err := r.CreateNamespace(ctx, "acme", ""); return err },
		"Publish":         func() error { _, _, err := publish(r, "new", sdk(Default, "m", "a", "new"), true); return err },
		"Publish again":   func() error { _, _, err := publish(r, "1", sdk(Default, "m", "a"), true); return err },
		"SetLive":         func() error { _, err := r.SetLive(ctx, Default, "m", 1); return err },
		"SetConfig": func() error {
			_, err := r.SetConfig(ctx, Default, "m", map[string]*string{"a": ptr("2")})
			return err
		},
		"DeleteModule": func() error { return r.DeleteModule(ctx, Default, "m") },
	}
}

func TestFailedCommitChangesNothing(t *testing.T) {
	failures := []struct {
		name   string
		commit func(f *fault) func(kv.Lease, *kv.Delta, func(error))
		want   abi.Code
		// again says what a later change gives: 0 if it works.
		again abi.Code
	}{
		{"read-only", func(f *fault) func(kv.Lease, *kv.Delta, func(error)) {
			return f.refuse(fmt.Errorf("disk full: %w", kv.ErrReadOnly))
		}, abi.CodeStorageFull, 0},
		{"some error", func(f *fault) func(kv.Lease, *kv.Delta, func(error)) {
			return f.refuse(errors.New("bad luck"))
		}, abi.CodeInternal, 0},
		{"another owner", func(f *fault) func(kv.Lease, *kv.Delta, func(error)) {
			return f.refuse(kv.ErrFenced)
		}, abi.CodeUnavailable, abi.CodeUnavailable},
		{"unknown, not written", func(f *fault) func(kv.Lease, *kv.Delta, func(error)) {
			return f.refuse(&kv.UnknownError{Cause: errors.New("sync failed")})
		}, abi.CodeOutcomeUnknown, abi.CodeUnavailable},
		{"unknown, written", func(f *fault) func(kv.Lease, *kv.Delta, func(error)) {
			return func(l kv.Lease, d *kv.Delta, done func(error)) {
				f.Store.Commit(l, d, func(err error) {
					done(&kv.UnknownError{Cause: fmt.Errorf("sync failed, or not: %w", errors.Join(err, errors.ErrUnsupported))})
				})
			}
		}, abi.CodeOutcomeUnknown, abi.CodeUnavailable},
	}
	for _, failure := range failures {
		for name := range changes(nil) {
			t.Run(failure.name+"/"+name, func(t *testing.T) {
				d := newDisk(t)
				f := &fault{Store: d.store(t)}
				r := openRegistry(t, f, d.blobs())
				mustPublish(t, r, "1", sdk(Default, "m", "a"), true)
				mustPublish(t, r, "2", sdk(Default, "m", "a"), true)
				before := dump(t, r)

				f.commit = failure.commit(f)
				wantCode(t, changes(r)[name](), failure.want)
				if after := dump(t, r); after != before {
					t.Fatalf("memory changed from\n%s\nto\n%s", before, after)
				}
				f.commit = nil
				wantCode(t, changes(r)[name](), failure.again)

				// Whatever is on disk now, it is whole, and every version has its file.
				r.Close()
				r = openRegistry(t, f, d.blobs())
				if failure.want != abi.CodeOutcomeUnknown && failure.again != 0 && dump(t, r) != before {
					t.Errorf("the disk changed from\n%s\nto\n%s", before, dump(t, r))
				}
				for _, m := range r.Modules(Default) {
					for n := 1; n <= m.Latest; n++ {
						if _, err := r.Wasm(mustVersion(t, r, Default, m.Name, n).Digest); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
	}
}

// TestTwoRegistries holds that of two owners of one store the older writes nothing, and says so.
func TestTwoRegistries(t *testing.T) {
	d := newDisk(t)
	s := d.store(t)
	old := openRegistry(t, s, d.blobs())
	mustPublish(t, old, "1", sdk(Default, "m", "a"), true)
	r := openRegistry(t, s, d.blobs())
	mustPublish(t, r, "2", sdk(Default, "m", "a"), true)
	want := dump(t, r)
	for name, change := range changes(old) {
		if name != "SetLive" && name != "Publish again" { // which change nothing: 1 is live for it
			wantCode(t, change(), abi.CodeUnavailable)
		}
	}
	if got := dump(t, openRegistry(t, s, d.blobs())); got != want {
		t.Errorf("the older owner changed\n%s\nto\n%s", want, got)
	}
}

func TestSmallStoreIsRefused(t *testing.T) {
	d := newDisk(t)
	_, err := OpenRegistry(context.Background(), smallStore{d.store(t)}, d.blobs())
	checkErr(t, err, "the store's limits")
}

type smallStore struct{ kv.Store }

func (s smallStore) Limits() kv.Limits {
	l := s.Store.Limits()
	l.MaxOps = maxVersions
	return l
}
