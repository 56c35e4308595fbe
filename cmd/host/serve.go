package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/logtext"
)

// serveCommand is `host serve`: production.
func serveCommand(ui *ui) *cobra.Command {
	var f serverFlags
	var edge edgeFlags
	var secrets vaultFlags
	var bounds boundFlags
	var audit auditFlags
	var keyFile, oldKeyFile, plansFile, level string
	cmd := &cobra.Command{
		Use:   "serve --key-file FILE",
		Short: "Run a host; every request needs a token",
		Long: "Runs a host. Tokens are signed with the key in --key-file, which must not lie in the data\n" +
			"folder and must be readable by its owner only. Make one with `host key FILE`.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keyFile == "" {
				return usagef("serve needs a signing key: make one with `host key FILE` and pass --key-file FILE")
			}
			keys, err := loadKeys(f.data, keyFile, oldKeyFile)
			if err != nil {
				return err
			}
			plans, err := loadPlans(plansFile)
			if err != nil {
				return err
			}
			vault, err := secrets.vault(f.data, keys)
			if err != nil {
				return err
			}
			log, err := newLogger(ui, level)
			if err != nil {
				return err
			}
			c := nodeConfig{
				plans: plans, data: f.data, minFree: f.minFree, listen: f.listen, metrics: f.metrics, allowLoopback: f.allowLoopback, key: keys[0], oldKeys: keys[1:],
				vault: vault, rotating: secrets.old != "", log: log,
			}
			if err := edge.apply(&c); err != nil {
				return err
			}
			if err := bounds.apply(&c); err != nil {
				return err
			}
			end, err := audit.open(&c)
			if err != nil {
				return err
			}
			defer end()
			n, err := startNode(c)
			if err != nil {
				return err
			}
			log.Info("listening", "url", n.url(), "public", edge.publicURL, "metrics", addrOf(n.scrapes), "data", f.data, "version", version())
			return n.wait(cmd.Context())
		},
	}
	f.add(cmd, "vivarium-data")
	edge.add(cmd)
	audit.add(cmd)
	bounds.add(cmd)
	cmd.Flags().StringVar(&keyFile, "key-file", "", "file with the key that signs tokens; needed")
	cmd.Flags().StringVar(&oldKeyFile, "old-key-file", "", "file with the key before, whose tokens are still good")
	cmd.Flags().StringVar(&plansFile, "plans", "", "file with the plans of namespaces, as JSON; without one nobody has quotas")
	cmd.Flags().StringVar(&secrets.key, "secrets-key-file", "", "file with the key that seals the secrets of namespaces; without it they can have none")
	cmd.Flags().StringVar(&secrets.old, "old-secrets-key-file", "", "file with the key before, which is needed until the host says that it is not")
	cmd.Flags().StringVar(&level, "log-level", "info", "of the host's own log: debug, info, warn or error")
	return cmd
}

// newLogger returns a logger to standard error: text for people, JSON with --json.
func newLogger(ui *ui, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level: %v", err)
	}
	o := &slog.HandlerOptions{Level: l, ReplaceAttr: fitAttr}
	if ui.json {
		return slog.New(slog.NewJSONHandler(ui.err, o)), nil
	}
	return slog.New(slog.NewTextHandler(ui.err, o)), nil
}

// maxLogText bounds each text in a line of the host's log, in bytes. A panic's stack is the longest that means something.
const maxLogText = 16 << 10

// fitAttr makes the texts of a line fit for it, whatever a stranger had them be: the library escapes what ends a line, and not
// what moves a cursor or turns text around.
func fitAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(logtext.Line(a.Value.String(), maxLogText))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case *slog.Source, nil:
		case error:
			a.Value = slog.StringValue(logtext.Line(v.Error(), maxLogText))
		default:
			a.Value = slog.StringValue(logtext.Line(fmt.Sprint(v), maxLogText))
		}
	}
	return a
}
