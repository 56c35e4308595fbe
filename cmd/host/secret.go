package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
)

// secretCommand is `host secret`.
func secretCommand(ui *ui) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Set, list and delete the secrets of a namespace",
		Long: "A secret is a value that guests send to one host without seeing it. The commands need an admin's\n" +
			"token. There is no way to read a value back.",
		Args: noArgs,
	}
	cmd.AddCommand(secretSetCommand(ui), secretListCommand(ui), secretDeleteCommand(ui))
	return cmd
}

// secretInfo is what the host tells of a secret.
type secretInfo struct {
	Name     string   `json:"name"`
	Host     string   `json:"host"`
	Modules  []string `json:"modules,omitempty"`
	Version  int      `json:"version"`
	State    string   `json:"state"`
	CreateTS int64    `json:"create_ts"`
}

func (s *secretInfo) String() string {
	modules := "all modules"
	if len(s.Modules) > 0 {
		modules = strings.Join(s.Modules, ",")
	}
	return fmt.Sprintf("%s for %s, %s, version %d of %s, %s", s.Name, s.Host, modules, s.Version, time.UnixMilli(s.CreateTS).UTC().Format(time.RFC3339), s.State)
}

// secretPath returns where the secrets of the flags' namespace are, or one of them.
func (f *clientFlags) secretPath(name string) string {
	ns := f.namespace
	if ns == "" {
		ns = namespaceOf(f.token)
	}
	path := "/namespaces/" + url.PathEscape(ns) + "/secrets"
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	return path
}

func secretSetCommand(ui *ui) *cobra.Command {
	var f clientFlags
	var host string
	var modules []string
	cmd := &cobra.Command{
		Use:   "set NAME --host HOST",
		Short: "Set a secret to what comes on standard input",
		Long: "Reads the value from standard input, without the line's end: an argument would be seen by every\n" +
			"program of the machine, and kept by the shell.",
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if host == "" {
				return usagef("whom is it for? Pass --host HOST")
			}
			value, err := readSecret(cmd.InOrStdin())
			if err != nil {
				return err
			}
			body, err := json.Marshal(map[string]any{"value": string(value), "host": host, "modules": modules})
			clear(value)
			defer clear(body)
			if err != nil {
				return err
			}
			var answer struct {
				Secret secretInfo `json:"secret"`
			}
			put := client.Request{Method: http.MethodPut, Path: f.secretPath(args[0]), Body: body}
			if err := f.with(func(c *client.Client) error { return c.Fetch(cmd.Context(), put, &answer) }); err != nil {
				return err
			}
			ui.print(answer.Secret.String(), answer.Secret)
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&host, "host", "", "host that the value may be sent to, without a port")
	cmd.Flags().StringArrayVar(&modules, "module", nil, "module that may name it; may be repeated; without it all may")
	noEnv(cmd, "host", "module")
	return cmd
}

// maxSecretInput is more than any host takes.
const maxSecretInput = 64 << 10

// readSecret reads a value without the line's end.
func readSecret(in io.Reader) ([]byte, error) {
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return nil, usagef("the value comes on standard input, from a file or another program: a terminal would show it")
		}
	}
	value, err := io.ReadAll(io.LimitReader(in, maxSecretInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the value from standard input: %w", err)
	case len(value) > maxSecretInput:
		return nil, usagef("the value on standard input is too long")
	}
	value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
	if len(value) == 0 {
		return nil, usagef("the value comes on standard input, and there is none")
	}
	return value, nil
}

func secretListCommand(ui *ui) *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the secrets of a namespace, without their values",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer struct {
				Secrets []secretInfo `json:"secrets"`
			}
			get := client.Request{Method: http.MethodGet, Path: f.secretPath("")}
			if err := f.with(func(c *client.Client) error { return c.Fetch(cmd.Context(), get, &answer) }); err != nil {
				return err
			}
			for _, s := range answer.Secrets {
				ui.print(s.String(), s)
			}
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func secretDeleteCommand(ui *ui) *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Forget a secret",
		Args:  oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			del := client.Request{Method: http.MethodDelete, Path: f.secretPath(args[0])}
			if err := f.with(func(c *client.Client) error { return c.Fetch(cmd.Context(), del, &struct{}{}) }); err != nil {
				return err
			}
			ui.print("deleted "+args[0], map[string]any{"deleted": args[0]})
			return nil
		},
	}
	f.add(cmd)
	return cmd
}
