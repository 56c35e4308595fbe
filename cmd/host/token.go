package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/tenants"
)

// devKeyFile is where `host dev` keeps its key, within its data folder.
func devKeyFile(data string) string { return filepath.Join(data, "dev-keys", "signing.key") }

const devData = ".vivarium"

// tokenCommand is `host token`. It reads the key file only: the store belongs to the running host.
func tokenCommand(ui *ui) *cobra.Command {
	var data, keyFile, namespace, role, subject, from, url string
	var ttl time.Duration
	var limits limitFlags
	cmd := &cobra.Command{
		Use:   "token --namespace NAME --role ROLE",
		Short: "Print a token and nothing else",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from != "" {
				d := derivation{Subject: subject, Limits: limits.get()}
				if cmd.Flags().Changed("role") {
					d.Role = role
				}
				if cmd.Flags().Changed("ttl") {
					d.TTL = int64(ttl.Seconds())
				}
				if namespace == "" {
					namespace = namespaceOf(from)
				}
				f := clientFlags{url: url, token: from}
				return f.with(func(c *client.Client) error { return d.print(cmd.Context(), ui, c, namespace) })
			}
			if namespace == "" && role != string(tenants.RoleOperator) {
				return usagef("--namespace is missing: only an operator's token is for all")
			}
			if keyFile == "" {
				keyFile = devKeyFile(data)
			}
			key, err := tenants.LoadKey(keyFile)
			if errors.Is(err, fs.ErrNotExist) {
				return usagef("there is no key in %s: pass --key-file, or run `host dev` once", keyFile)
			}
			if err != nil {
				return err
			}
			keyring, err := tenants.NewKeyring(key)
			if err != nil {
				return err
			}
			token, err := keyring.Sign(tenants.Claims{Namespace: tenants.ID(namespace), Role: tenants.Role(role), Subject: subject, TTL: ttl, Limits: limits.get()})
			if err != nil {
				return &usageError{err}
			}
			ui.print(token, map[string]any{"token": token, "expires": time.Now().Add(ttl).UTC().Truncate(time.Second)})
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", devData, "data folder of 'host dev', whose key is used without --key-file")
	cmd.Flags().StringVar(&keyFile, "key-file", "", "file with the key that signs tokens")
	cmd.Flags().StringVar(&namespace, "namespace", "", "namespace that the token is for; an operator may leave it out")
	cmd.Flags().StringVar(&role, "role", "invoke", "operator, admin, deploy, invoke or read")
	cmd.Flags().StringVar(&subject, "subject", "", "who it is for: guests see it as the verified caller")
	cmd.Flags().DurationVar(&ttl, "ttl", 24*time.Hour, "how long it is valid")
	cmd.Flags().StringVar(&from, "from", "", "token to derive a narrower one from, by the host at --url; role and time are its own if they are left out")
	cmd.Flags().StringVar(&url, "url", "http://"+defaultListen, "the host to talk to, with --from")
	noEnv(cmd, "from")
	limits.add(cmd)
	return cmd
}

// keyCommand is `host key`.
func keyCommand(ui *ui) *cobra.Command {
	return &cobra.Command{
		Use:   "key FILE",
		Short: "Make a signing key in a new file that only its owner can read",
		Args:  oneArg,
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := tenants.CreateKey(args[0]); err != nil {
				return err
			}
			ui.print("wrote "+args[0], map[string]any{"key_file": args[0]})
			return nil
		},
	}
}

// loadKeys returns the keys of files that do not lie in the data folder. A name that is empty is no file.
func loadKeys(data string, files ...string) (keys [][]byte, err error) {
	for _, file := range files {
		if file == "" {
			continue
		}
		if inside(data, file) {
			return nil, usagef("the key file must not lie in the data folder, which is copied in backups")
		}
		key, err := tenants.LoadKey(file)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// inside reports whether a file lies in a folder, as far as their names tell.
func inside(folder, file string) bool {
	dir, err1 := filepath.Abs(folder)
	path, err2 := filepath.Abs(file)
	if err1 != nil || err2 != nil {
		return false
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
