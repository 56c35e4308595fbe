package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/tenants"
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
			if err := (client{f}).do(cmd.Context(), http.MethodPut, "/modules/"+url.PathEscape(g.module), query, "application/wasm", wasm, &whole); err != nil {
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

// callCommand is `host call`.
func callCommand(ui *ui) *cobra.Command {
	var f clientFlags
	var key []string
	var id string
	cmd := &cobra.Command{
		Use:   "call ACTOR ACTION [ARGUMENT ...]",
		Short: "Call an action of an actor, which is made if there is none",
		Long: "Calls an action and prints its result. An argument that is JSON is passed as it is, any other as\n" +
			"a string: host call counter increment 5 --key acme --key lobby",
		Args: twoOrMore,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := client{f}
			if id == "" {
				k, err := tenants.NewKey(key...)
				if err != nil {
					return &usageError{err}
				}
				if id, err = c.actorID(cmd.Context(), args[0], k); err != nil {
					return err
				}
			}
			body, err := json.Marshal(map[string]any{"args": jsonArgs(args[2:])})
			if err != nil {
				return err
			}
			var answer struct {
				Output json.RawMessage `json:"output"`
			}
			path := "/gateway/" + url.PathEscape(id) + "/action/" + url.PathEscape(args[1])
			if err := c.do(cmd.Context(), http.MethodPost, path, url.Values{}, "application/json", body, &answer); err != nil {
				return err
			}
			ui.print(strings.TrimSpace(string(answer.Output)), answer)
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&key, "key", nil, "component of the actor's key; may be repeated")
	cmd.Flags().StringVar(&id, "id", "", "the actor's id, instead of its key")
	noEnv(cmd, "key", "id")
	return cmd
}

// jsonArgs are arguments from the command line as JSON.
func jsonArgs(args []string) []json.RawMessage {
	list := make([]json.RawMessage, len(args))
	for i, a := range args {
		if json.Valid([]byte(a)) {
			list[i] = json.RawMessage(a)
			continue
		}
		list[i], _ = json.Marshal(a) // a string always encodes
	}
	return list
}
