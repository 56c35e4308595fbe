package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/internal/durable"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/tenants"
)

// restoreCommand is `host restore`.
func restoreCommand(ui *ui) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "restore FILE --data NEW",
		Short: "Make a data folder from a backup",
		Long: "Reads the whole backup first, and writes only if nothing is wrong with it. The folder must be\n" +
			"empty, or not be there. No host needs to run.",
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if data == "" {
				return usagef("where to? Pass --data FOLDER, an empty one or one that is not there yet")
			}
			info, n, err := restore(cmd.Context(), args[0], data)
			if err != nil {
				return err
			}
			ui.print(fmt.Sprintf("restored %s: %d rows, %d modules, as of %s", data, n.Rows, n.Modules, info.Created.Format(time.RFC3339)),
				map[string]any{"data": data, "rows": n.Rows, "modules": n.Modules, "created": info.Created})
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "folder to make, or an empty one; needed")
	noEnv(cmd, "data") // the variable is that of the folder in use
	return cmd
}

// restore makes a data folder from a backup:
//
//  1. read the whole file, which may be refused before anything is written;
//  2. mark the folder as unfinished: no host takes it up, and no other restore;
//  3. fill it, checking everything again;
//  4. check that what it holds agrees, as `host verify` does;
//  5. mark it as finished.
//
// After a failure nothing is left in the folder. A process that is killed leaves the mark.
func restore(ctx context.Context, file, data string) (info archive.Info, n archive.Count, err error) {
	var check checkVisitor
	if _, err = readBackup(file, &check); err != nil {
		return info, n, err
	}
	made, err := claimFolder(data)
	if err != nil {
		return info, n, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, emptyFolder(data, made))
		}
	}()
	if n, err = fillFolder(file, data); err != nil {
		return info, n, err
	}
	if err := verifyRestored(ctx, data); err != nil {
		return info, n, err
	}
	return check.info, n, claimFormat(data)
}

// readBackup reads a whole file.
func readBackup(file string, v archive.Visitor) (archive.Count, error) {
	f, err := os.Open(file)
	if err != nil {
		return archive.Count{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return archive.Count{}, errors.Join(err, faultf("backup/not_a_backup", "%s is no file: a backup is read twice", file))
	}
	n, err := archive.Read(f, v)
	return n, describeBackup(err)
}

// checkVisitor refuses what no host writes.
type checkVisitor struct{ info archive.Info }

func (c *checkVisitor) Info(i archive.Info) error {
	c.info = i
	switch {
	case i.Kind != archive.Backup:
		return faultf(string(archive.NotABackup), "the file is an export of one %s, not a backup: use host import", i.Kind)
	case i.Format > formatVersion:
		return faultf(string(archive.Newer), "the backup is of the data format %d, and this program knows formats up to %d: use a newer program", i.Format, formatVersion)
	case i.Engine != engineName:
		return faultf("backup/other_engine", "the backup is of the engine %q, and this program has %s", i.Engine, engineName)
	}
	return nil
}

func (c *checkVisitor) Row(it kv.Item) error { return badgerkv.CheckItem(it) }

func (c *checkVisitor) Module(archive.Digest, int64, io.Reader) error { return nil }

// claimFolder makes the folder, or takes one that is empty, and marks it as unfinished. made says that it was not
// there.
func claimFolder(data string) (made bool, err error) {
	switch err := os.Mkdir(data, 0o700); {
	case err == nil:
		made = true
	case !errors.Is(err, fs.ErrExist):
		return false, err
	}
	f, err := os.Open(data)
	if err != nil {
		return made, err
	}
	names, err := f.Readdirnames(1)
	f.Close()
	if len(names) > 0 {
		return false, faultf("data/not_empty", "%s is not empty: restore into a new folder", data)
	}
	if err != io.EOF {
		return false, err
	}
	// Two restores that both found it empty: one of them makes the mark.
	mark, err := os.OpenFile(filepath.Join(data, formatFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false, faultf("data/not_empty", "another restore fills %s", data)
	}
	_, err = mark.WriteString(formatPrefix + formatUnfinished + "\n")
	return made, errors.Join(err, mark.Sync(), mark.Close(), durable.SyncFolder(data))
}

// emptyFolder removes what a restore wrote.
func emptyFolder(data string, made bool) error {
	var errs []error
	for _, name := range []string{storeFolder, moduleFolder, formatFile} { // the mark last
		errs = append(errs, os.RemoveAll(filepath.Join(data, name)))
	}
	if made {
		errs = append(errs, os.Remove(data))
	}
	return errors.Join(errs...)
}

// fillFolder writes what a backup has.
func fillFolder(file, data string) (n archive.Count, err error) {
	v := &fillVisitor{modules: filepath.Join(data, moduleFolder)}
	if err := os.Mkdir(v.modules, 0o700); err != nil {
		return n, err
	}
	if v.rows, err = badgerkv.Load(badgerkv.Config{Dir: filepath.Join(data, storeFolder)}); err != nil {
		return n, err
	}
	if n, err = readBackup(file, v); err != nil {
		v.rows.Close() // which fails for the same reason, if it does
		return n, err
	}
	return n, errors.Join(v.rows.Close(), durable.SyncFolder(v.modules), durable.SyncFolder(data))
}

// fillVisitor writes it.
type fillVisitor struct {
	checkVisitor
	rows    kv.Loader
	modules string
}

func (v *fillVisitor) Row(it kv.Item) error { return v.rows.Put(it) }

func (v *fillVisitor) Module(d archive.Digest, _ int64, body io.Reader) error {
	err := tenants.PutFile(v.modules, tenants.Digest(d), body)
	if errors.Is(err, fs.ErrExist) {
		return faultf(string(archive.Damaged), "the backup has a module twice")
	}
	return err
}
