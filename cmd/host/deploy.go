package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
)

// deployCommand is `host deploy`.
func deployCommand(ui *ui) *cobra.Command {
	var f clientFlags
	var module, note, input string
	var labels []string
	var noLive, force bool
	cmd := &cobra.Command{
		Use:   "deploy GUEST",
		Short: "Build a guest folder, or take a .wasm file, and upload it",
		Long:  "Uploads a guest and makes it live. The commit of its source and whether it has changes become labels.",
		Args:  oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			g, err := newGuest(args[0], module)
			if err != nil {
				return err
			}
			wasm, err := g.build(cmd.Context(), nil)
			if err != nil {
				return err
			}
			query := url.Values{}
			for k, v := range g.gitLabels(cmd.Context()) {
				query.Add("label", k+"="+v)
			}
			for _, l := range labels {
				query.Add("label", l)
			}
			for name, value := range map[string]string{"note": note, "input": input} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if noLive {
				query.Set("live", "false")
			}
			if force {
				query.Set("force", "true")
			}
			var answer struct {
				Module  string          `json:"module"`
				Version int             `json:"version"`
				Live    json.RawMessage `json:"live"`
				Actors  json.RawMessage `json:"actors"`
			}
			var whole json.RawMessage
			upload := client.Request{Method: http.MethodPut, Path: "/modules/" + url.PathEscape(g.module), Query: query, ContentType: "application/wasm", Body: wasm}
			if err := f.with(func(c *client.Client) error { return c.Fetch(cmd.Context(), upload, &whole) }); err != nil {
				return err
			}
			if err := json.Unmarshal(whole, &answer); err != nil {
				return err
			}
			ui.print(fmt.Sprintf("%s version %d (live: %s), actors %s", answer.Module, answer.Version, answer.Live, answer.Actors), whole)
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&module, "module", "", "name of the module; empty is the name of the folder or file")
	cmd.Flags().StringVar(&note, "note", "", "a note for the version")
	cmd.Flags().StringVar(&input, "input", "", "how a plain module gets its input: args or value")
	cmd.Flags().StringArrayVar(&labels, "label", nil, "a label for the version, key=value; may be repeated")
	cmd.Flags().BoolVar(&noLive, "no-live", false, "leave the live version as it is")
	cmd.Flags().BoolVar(&force, "force", false, "make it live although it lacks actors that exist")
	noEnv(cmd, "module", "note", "input", "label", "no-live", "force")
	return cmd
}
