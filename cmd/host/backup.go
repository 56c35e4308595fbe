package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/internal/durable"
	"github.com/vivarium-run/vivarium/kv"
)

// engineName is whose rows a backup has.
const engineName = "badger"

// backup writes all that the host keeps, as of one moment, while it goes on. Keys are not in it: they lie
// elsewhere, and that of `host dev` is not taken along.
//
//  1. from now on no module's file goes;
//  2. the rows of the store, as of one moment after 1;
//  3. the modules that any of these rows may refer to: those that there are now.
func (n *node) backup(ctx context.Context, w io.Writer) error {
	if !n.backingUp.TryLock() {
		return &abi.Error{Code: abi.CodeHostBusy, Message: "Another backup is being taken", Retry: time.Minute}
	}
	defer n.backingUp.Unlock()
	files, release := n.registry.HoldFiles()
	defer release()
	out, err := archive.NewWriter(w, archive.Info{Created: time.Now().UTC().Truncate(time.Second), Host: version(), Format: formatVersion, Engine: engineName})
	if err != nil {
		return err
	}
	for it, err := range n.store.Dump(ctx) {
		if err == nil {
			err = out.Row(it)
		}
		if err != nil {
			return err
		}
	}
	for _, f := range files() {
		if err := ctx.Err(); err != nil {
			return err
		}
		body, size, err := n.registry.OpenWasm(f.Digest)
		if err != nil {
			return err
		}
		err = out.Module(archive.Digest(f.Digest), size, body)
		body.Close()
		if err != nil {
			return err
		}
	}
	_, err = out.Close()
	return err
}

// backupCommand is `host backup`.
func backupCommand(ui *ui) *cobra.Command {
	var f clientFlags
	var output string
	cmd := &cobra.Command{
		Use:   "backup -o FILE",
		Short: "Copy all that a running host keeps into a file",
		Long: "Copies actors, namespaces and modules, as of one moment, while the host goes on. It needs an\n" +
			"operator's token. The file appears when it is whole and checked; one of that name is replaced. It\n" +
			"holds what all tenants have, but no key.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == "" {
				return usagef("where to? Pass -o FILE")
			}
			return f.with(func(c *client.Client) error {
				info, n, err := fetchBackup(cmd.Context(), c, output)
				if err != nil {
					return err
				}
				ui.print(fmt.Sprintf("wrote %s: %d bytes, %d rows, %d modules, as of %s", output, n.Bytes, n.Rows, n.Modules, info.Created.Format(time.RFC3339)),
					map[string]any{"file": output, "bytes": n.Bytes, "rows": n.Rows, "modules": n.Modules, "created": info.Created})
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&f.url, "url", "http://"+defaultListen, "the host to talk to")
	cmd.Flags().StringVar(&f.token, "token", "", "an operator's token")
	cmd.Flags().StringVarP(&output, "out", "o", "", "file to write; needed")
	noEnv(cmd, "out")
	return cmd
}

// fetchBackup writes a host's backup to a file, which appears when it is whole.
func fetchBackup(ctx context.Context, c *client.Client, file string) (info archive.Info, n archive.Count, err error) {
	var check checkVisitor
	err = durable.WriteFile(file, func(f *os.File) error {
		resp, err := c.Open(ctx, client.Request{Method: http.MethodPost, Path: "/backup"})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		n, err = archive.Read(io.TeeReader(resp.Body, f), &check)
		return describeBackup(err)
	})
	return check.info, n, err
}

// describeBackup gives a fault of a backup its code. An answer that breaks off is one that is cut off.
func describeBackup(err error) error {
	var bad *archive.Error
	switch {
	case errors.As(err, &bad):
		return faultf(string(bad.Code), "%s", bad.Text)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return faultf(string(archive.Truncated), "the backup broke off: %v", err)
	case errors.Is(err, kv.ErrCorrupt):
		return faultf(string(archive.Damaged), "the backup has what no host writes: %v", err)
	}
	return err
}
