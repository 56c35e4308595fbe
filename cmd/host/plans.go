package main

import (
	"errors"
	"io"
	"os"

	"github.com/vivarium-run/vivarium/tenants"
)

// maxPlansFile bounds a file of plans, in bytes.
const maxPlansFile = 1 << 20

// loadPlans reads a file of plans; without a file there is none.
func loadPlans(file string) (tenants.Plans, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPlansFile+1))
	if err == nil && len(b) > maxPlansFile {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, usagef("--plans: %s: %v", file, err)
	}
	plans, err := tenants.ParsePlans(b)
	if err != nil {
		return nil, usagef("--plans: %s: %v", file, err)
	}
	return plans, nil
}
