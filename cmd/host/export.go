package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/internal/durable"
	"github.com/vivarium-run/vivarium/kv"
)

// exportCommand is `host export`.
func exportCommand(ui *ui) *cobra.Command {
	var f clientFlags
	var actor, module, output string
	var whole bool
	cmd := &cobra.Command{
		Use:   "export {--actor ID | --module NAME | --whole --namespace NAME} -o FILE",
		Short: "Copy an actor, a module or a whole namespace of a running host into a file",
		Long: "An actor needs an admin's token, a module one that may read it, a namespace an operator's. The file appears\n" +
			"when it is whole and checked; one of that name is replaced. `host import` takes it up, in another namespace or\n" +
			"host. Of a namespace's secrets the names are printed: their values stay where they are.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if given(actor != "", module != "", whole) != 1 {
				return usagef("what to export? Pass --actor ID, --module NAME or --whole")
			}
			if whole && f.namespace == "" {
				return usagef("which namespace? Pass --namespace NAME")
			}
			if output == "" {
				return usagef("where to? Pass -o FILE")
			}
			return f.with(func(c *client.Client) error {
				switch {
				case whole:
					return exportWhole(cmd.Context(), ui, c, f.namespace, output)
				case actor != "":
					return exportPart(ui, output, func(w io.Writer) error {
						return fetchExport(cmd.Context(), c, "/actors/"+url.PathEscape(actor)+"/export", w)
					})
				}
				return exportPart(ui, output, func(w io.Writer) error { return exportModule(cmd.Context(), c, module, w) })
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&actor, "actor", "", "id of an actor")
	cmd.Flags().StringVar(&module, "module", "", "name of a module")
	cmd.Flags().BoolVar(&whole, "whole", false, "the whole namespace")
	cmd.Flags().StringVarP(&output, "out", "o", "", "file to write")
	noEnv(cmd, "actor", "module", "whole", "out")
	return cmd
}

// exportPart writes the file of an actor or a module.
func exportPart(ui *ui, output string, write func(io.Writer) error) error {
	n, err := exportTo(output, write, anyVisitor{})
	if err != nil {
		return err
	}
	ui.print(fmt.Sprintf("wrote %s: %d bytes, %d rows, %d versions", output, n.Bytes, n.Rows, n.Modules),
		map[string]any{"file": output, "bytes": n.Bytes, "rows": n.Rows, "versions": n.Modules})
	return nil
}

// exportTo writes a file, which appears when it is whole and was read again, by check.
func exportTo(file string, write func(io.Writer) error, check archive.Visitor) (n archive.Count, err error) {
	err = durable.WriteFile(file, func(f *os.File) error {
		if err := write(f); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		n, err = archive.Read(f, check)
		return describeExport(err)
	})
	return n, err
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

// fetchExport copies a file that a host makes.
func fetchExport(ctx context.Context, c *client.Client, path string, w io.Writer) error {
	resp, err := c.Open(ctx, client.Request{Method: http.MethodPost, Path: path})
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

// given counts the choices that were made.
func given(choices ...bool) (n int) {
	for _, c := range choices {
		if c {
			n++
		}
	}
	return n
}
