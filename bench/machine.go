package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
	"github.com/vivarium-run/vivarium/bench/testbed"
)

// machine is where and when a run was. Load and Sync tell how noisy it was.
type machine struct {
	Time   time.Time `json:"time"`
	Cores  int       `json:"cores"`
	CPU    string    `json:"cpu,omitempty"`
	OS     string    `json:"os"`
	Go     string    `json:"go"`
	Commit string    `json:"commit"`
	Load   string    `json:"load_average,omitempty"` // of 1, 5 and 15 minutes, before the run
	Sync   float64   `json:"sync_p50_ms"`            // to append 4 KiB and sync, before the run

	Took     time.Duration `json:"took"`
	Versions []string      `json:"versions,omitempty"` // of the peers
}

func describeMachine(ctx context.Context, dir string) (machine, error) {
	sync, err := syncTime(dir)
	if err != nil {
		return machine{}, err
	}
	commit, err := command(ctx, "", "git", "describe", "--always", "--dirty=+changes", "--abbrev=12")
	if err != nil {
		commit = "unknown" // a copy without its history can be measured, too
	}
	busy := testbed.Load()
	return machine{
		Time:   time.Now().UTC().Truncate(time.Second),
		Cores:  runtime.GOMAXPROCS(0),
		CPU:    testbed.Model(),
		OS:     strings.TrimSpace(runtime.GOOS + "/" + runtime.GOARCH + " " + testbed.Kernel()),
		Go:     runtime.Version(),
		Commit: commit,
		Load:   strings.TrimSpace(strings.Join(busy[:], " ")),
		Sync:   sync.Seconds() * 1000,
	}, nil
}

// syncTime returns the median time to append 4 KiB to a file in dir and sync it.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	page := make([]byte, 4<<10)
	times := make([]time.Duration, 100)
	for i := range times {
		begun := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		times[i] = time.Since(begun)
	}
	slices.Sort(times)
	return load.Percentile(times, 50), nil
}
