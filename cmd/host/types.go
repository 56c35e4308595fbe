package main

import (
	"context"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/cmd/host/internal/dts"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// typesCommand is `host types`.
func typesCommand(ui *ui) *cobra.Command {
	var f clientFlags
	var out string
	var version int
	cmd := &cobra.Command{
		Use:   "types MODULE",
		Short: "Print the TypeScript declarations of a module's actors",
		Long: "Prints a .d.ts whose Registry is the type parameter of createClient in rivetkit/client:\n" +
			"calls, results, events and queues of the module's actors are then checked when a client is compiled.",
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			var m dts.Module
			err := f.with(func(c *client.Client) (err error) {
				m, err = manifest(cmd.Context(), c, args[0], version)
				return err
			})
			if err != nil {
				return err
			}
			text := dts.Write(m)
			if out == "" {
				_, err = ui.out.Write([]byte(text))
				return err
			}
			if err := os.WriteFile(out, []byte(text), 0o644); err != nil {
				return err
			}
			ui.print("wrote "+out, map[string]any{"file": out, "module": m.Name, "version": m.Version})
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write, instead of printing")
	cmd.Flags().IntVar(&version, "version", 0, "number of the version; 0 is the live one")
	noEnv(cmd, "out", "version")
	return cmd
}

// manifest returns what a version of a module says of itself; 0 is the live one.
func manifest(ctx context.Context, c *client.Client, module string, version int) (dts.Module, error) {
	path := "/modules/" + url.PathEscape(module)
	if version == 0 {
		var answer struct{ Live int }
		if err := c.Fetch(ctx, client.Request{Path: path}, &answer); err != nil {
			return dts.Module{}, err
		}
		if version = answer.Live; version == 0 {
			return dts.Module{}, usagef("no version of %s is live: name one with --version", module)
		}
	}
	var answer struct {
		Module   string
		Version  int
		Manifest map[string]abi.ActorManifest
	}
	err := c.Fetch(ctx, client.Request{Path: path + "/versions/" + strconv.Itoa(version)}, &answer)
	return dts.Module{Name: answer.Module, Version: answer.Version, Actors: answer.Manifest}, err
}
