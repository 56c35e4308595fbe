package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/tenants"
)

// verifyCommand is `host verify`.
func verifyCommand(ui *ui) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "verify --data DIR",
		Short: "Check all that a data folder keeps",
		Long: "Reads everything that is in the folder of a host that does not run, and prints what is wrong, a\n" +
			"line each, with a code. It repairs nothing. The exit code is 1 if anything is wrong.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if data == "" {
				return usagef("which folder? Pass --data DIR")
			}
			wrong := 0
			n, err := verify(cmd.Context(), data, func(d kv.Damage) {
				wrong++
				ui.print(harmless(d.String()), map[string]any{"code": d.Code, "where": d.Where, "message": d.Text})
			})
			switch {
			case err != nil:
				return err
			case wrong > 0:
				return faultf("data/damaged", "%d things are wrong in %s", wrong, data)
			}
			text := fmt.Sprintf("%s is sound: %d namespaces, %d actors", data, n.namespaces, n.actors)
			if n.leaving > 0 {
				text += fmt.Sprintf("; %d deleted namespaces are not removed yet: the host goes on with it", n.leaving)
			}
			ui.print(text, map[string]any{"namespaces": n.namespaces, "actors": n.actors, "leaving": n.leaving})
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "folder to check; needed")
	return cmd
}

// counted is what a check has come by.
type counted struct {
	namespaces, actors int
	leaving            int // namespaces that were deleted, not counted above
}

// verify reports everything that is wrong in the data folder of a host that does not run.
func verify(ctx context.Context, data string, report kv.Report) (n counted, err error) {
	if err := checkFormat(data); err != nil {
		return n, err
	}
	return verifyFilled(ctx, data, report)
}

// verifyFilled is verify for a folder whose format is known. What is reported goes from the bytes up: what is wrong
// above is mostly so because of something below.
func verifyFilled(ctx context.Context, data string, report kv.Report) (n counted, err error) {
	store := filepath.Join(data, storeFolder)
	if _, err := os.Stat(store); err != nil {
		return n, faultf("data/no_store", "%s is no data folder: %v", data, err)
	}
	bad := false
	err = badgerkv.CheckFiles(store, func(d kv.Damage) {
		bad = true
		report(d)
	})
	if err != nil || bad {
		return n, err // the engine is not to be opened on that
	}
	in, err := badgerkv.Inspect(badgerkv.Config{Dir: store})
	if errors.Is(err, kv.ErrCorrupt) {
		report.Found("store/unreadable", store, "%v", err)
		return n, nil
	}
	if err != nil {
		return n, err
	}
	defer in.Close()
	err = verifyRows(ctx, in, data, report, &n)
	if errors.Is(err, kv.ErrCorrupt) {
		report.Found("store/unreadable", store, "%v", err)
		err = nil
	}
	return n, err
}

func verifyRows(ctx context.Context, in *badgerkv.Inspection, data string, report kv.Report, n *counted) error {
	if err := in.Check(ctx, report); err != nil {
		return err
	}
	known, err := tenants.Check(ctx, in, filepath.Join(data, moduleFolder), report)
	if err != nil {
		return err
	}
	n.leaving = known.Leaving()
	n.namespaces = len(known) - n.leaving
	held := map[string]bool{}
	for h, err := range in.Spaces(ctx) {
		if err != nil {
			return err
		}
		held[h.Space.Class()] = true
		id, ok := tenants.CheckSpace(h.Space, known, report)
		if !ok {
			continue
		}
		if err := actors.Check(ctx, in, id, h, report); err != nil {
			return err
		}
		if id != tenants.PostOffice(id.Namespace) {
			n.actors++
		}
	}
	for class, err := range in.Classes(ctx) {
		if err != nil {
			return err
		}
		if !held[class] {
			tenants.CheckClass(class, known, report)
		}
	}
	return nil
}

// verifyRestored refuses a folder in which anything is wrong. A backup of a sound host has nothing of the kind.
func verifyRestored(ctx context.Context, data string) error {
	var first *kv.Damage
	wrong := 0
	_, err := verifyFilled(ctx, data, func(d kv.Damage) {
		if wrong++; first == nil {
			first = &d
		}
	})
	if err == nil && wrong > 0 {
		return faultf("backup/damaged", "what the backup holds does not agree, %d times, first %s", wrong, harmless(first.String()))
	}
	return err
}
