package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/tenants"
)

// maxImport bounds a file of an actor, as the host does.
const maxImport = 256 << 20

// importCommand is `host import`.
func importCommand(ui *ui) *cobra.Command {
	var f clientFlags
	var key []string
	var as string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make an actor, a module or a namespace of an export",
		Long: "Reads the whole file first. An actor gets a new id at its address, or at --key, in the namespace of the token; it\n" +
			"needs an admin's token and a module there that defines it. A module must not be there yet, and needs a deployer's.\n" +
			"A namespace must not be there yet, by its name or by --as, and needs an operator's; its actors keep their ids, and\n" +
			"its secrets are to be set again.",
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := checkExportFile(args[0])
			if err != nil {
				return err
			}
			if info.Kind != archive.Actor && key != nil {
				return usagef("--key is of an actor, and the file is of a %s", info.Kind)
			}
			if info.Kind != archive.Namespace && as != "" {
				return usagef("--as is of a namespace, and the file is of a %s", info.Kind)
			}
			if info.Kind == archive.Namespace && f.namespace != "" {
				return usagef("the file is of a whole namespace: to give it another name pass --as")
			}
			return f.with(func(c *client.Client) error {
				if info.Kind == archive.Namespace {
					return sendNamespace(cmd.Context(), ui, c, args[0], as)
				}
				if info.Kind == archive.Module {
					return importModule(cmd.Context(), ui, c, args[0])
				}
				return sendActor(cmd.Context(), ui, c, args[0], key)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&key, "key", nil, "component of another key for the actor; may be repeated")
	cmd.Flags().StringVar(&as, "as", "", "another name for the namespace")
	noEnv(cmd, "key", "as")
	return cmd
}

// checkExportFile reads a whole file and says what it is of.
func checkExportFile(file string) (info archive.Info, err error) {
	f, err := os.Open(file)
	if err != nil {
		return info, err
	}
	defer f.Close()
	if i, err := f.Stat(); err != nil || !i.Mode().IsRegular() {
		return info, errors.Join(err, faultf("export/not_an_export", "%s is no file: an export is read twice", file))
	}
	if _, err := archive.Read(f, anyVisitor{&info}); err != nil {
		return info, describeExport(err)
	}
	switch info.Kind {
	case archive.Actor, archive.Module, archive.Namespace:
		return info, nil
	case archive.Backup:
		return info, faultf("export/not_an_export", "%s is a backup: use host restore", file)
	}
	return info, faultf("export/newer_version", "%s is of a kind that this program does not know: use a newer program", file)
}

// sendActor has a host import an actor.
func sendActor(ctx context.Context, ui *ui, c *client.Client, file string, key []string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.Size() > maxImport {
		return faultf("export/too_large", "%s has %d bytes, and a host takes %d", file, info.Size(), maxImport)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	query := url.Values{}
	if key != nil {
		k, err := tenants.NewKey(key...)
		if err != nil {
			return &usageError{err}
		}
		query.Set("key", string(k))
	}
	var answer struct {
		Actor struct {
			ID        string `json:"actor_id"`
			Name      string `json:"name"`
			Key       string `json:"key"`
			Namespace string `json:"namespace_id"`
		} `json:"actor"`
	}
	r := client.Request{Method: http.MethodPost, Path: "/actors/import", Query: query, ContentType: "application/octet-stream", Body: body}
	if err := c.Fetch(ctx, r, &answer); err != nil {
		return err
	}
	a := answer.Actor
	ui.print(harmless(fmt.Sprintf("%s[%s] of %s is %s", a.Name, a.Key, a.Namespace, a.ID)),
		map[string]any{"actor": a.Name, "key": a.Key, "namespace": a.Namespace, "actor_id": a.ID})
	return nil
}
