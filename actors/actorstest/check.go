package actorstest

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/tenants"
)

// CheckData checks all that is stored in the folder of a Stack that is closed, or whose process was killed. The
// error names everything that is wrong.
func CheckData(dir string) error {
	in, err := badgerkv.Inspect(badgerkv.Config{Dir: filepath.Join(dir, "store")})
	if err != nil {
		return err
	}
	defer in.Close()
	var wrong []error
	report := func(d kv.Damage) { wrong = append(wrong, errors.New(d.String())) }
	ctx := context.Background()
	if err := in.Check(ctx, report); err != nil {
		return err
	}
	known, err := tenants.Check(ctx, in, filepath.Join(dir, "modules"), report)
	if err != nil {
		return err
	}
	for h, err := range in.Spaces(ctx) {
		if err != nil {
			return err
		}
		if id, ok := tenants.CheckSpace(h.Space, known, report); ok {
			if err := actors.Check(ctx, in, id, h, report); err != nil {
				return err
			}
		}
	}
	return errors.Join(wrong...)
}
