package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/kv"
)

// exportCommand is `host export`.
func exportCommand(ui *ui) *cobra.Command {
	var f clientFlags
	var actor, module, output string
	cmd := &cobra.Command{
		Use:   "export {--actor ID | --module NAME} -o FILE",
		Short: "Copy one actor or one module of a running host into a file",
		Long: "An actor needs an admin's token, a module one that may read it. The file appears when it is whole and checked;\n" +
			"one of that name is replaced. `host import` takes it up, in another namespace or host.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (actor == "") == (module == "") {
				return usagef("what to export? Pass --actor ID or --module NAME")
			}
			if output == "" {
				return usagef("where to? Pass -o FILE")
			}
			return f.with(func(c *client.Client) error {
				write := func(w io.Writer) error { return exportModule(cmd.Context(), c, module, w) }
				if actor != "" {
					write = func(w io.Writer) error { return fetchActor(cmd.Context(), c, actor, w) }
				}
				n, err := exportTo(output, write)
				if err != nil {
					return err
				}
				ui.print(fmt.Sprintf("wrote %s: %d bytes, %d rows, %d versions", output, n.Bytes, n.Rows, n.Modules),
					map[string]any{"file": output, "bytes": n.Bytes, "rows": n.Rows, "versions": n.Modules})
				return nil
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&actor, "actor", "", "id of an actor")
	cmd.Flags().StringVar(&module, "module", "", "name of a module")
	cmd.Flags().StringVarP(&output, "out", "o", "", "file to write")
	noEnv(cmd, "actor", "module", "out")
	return cmd
}

// exportTo writes a file, which appears when it is whole and was read again.
func exportTo(file string, write func(io.Writer) error) (n archive.Count, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".part-*") // mode 0600
	if err != nil {
		return n, err
	}
	defer os.Remove(f.Name()) // nothing, once it is renamed
	defer f.Close()
	if err := write(f); err != nil {
		return n, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return n, err
	}
	if n, err = archive.Read(f, anyVisitor{}); err != nil {
		return n, describeExport(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return n, err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return n, err
	}
	return n, syncFolder(filepath.Dir(file))
}

// anyVisitor takes whatever a whole file has.
type anyVisitor struct{ info *archive.Info }

func (v anyVisitor) Info(i archive.Info) error {
	if v.info != nil {
		*v.info = i
	}
	return nil
}
func (anyVisitor) Row(kv.Item) error                             { return nil }
func (anyVisitor) Module(archive.Digest, int64, io.Reader) error { return nil }

// fetchActor copies what a host says of an actor.
func fetchActor(ctx context.Context, c *client.Client, id string, w io.Writer) error {
	resp, err := c.Open(ctx, client.Request{Method: http.MethodPost, Path: "/actors/" + url.PathEscape(id) + "/export"})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return faultf("export/truncated", "the export broke off: %v", err)
	}
	return nil
}

// describeExport gives a fault of an export its code.
func describeExport(err error) error {
	var bad *archive.Error
	if errors.As(err, &bad) {
		return faultf(strings.Replace(string(bad.Code), "backup", "export", 1), "%s", strings.Replace(bad.Text, "backup", "export", 1))
	}
	return err
}
