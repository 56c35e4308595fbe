package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/logtext"
	"github.com/vivarium-run/vivarium/tenants"
)

// devCommand is `host dev`: everything in one folder, nothing to configure.
func devCommand(ui *ui) *cobra.Command {
	var f serverFlags
	var level string
	cmd := &cobra.Command{
		Use:   "dev [guest folder or .wasm file ...]",
		Short: "Run a host for development; without arguments it runs the counter example",
		Long: "Builds the guests, runs them as actors of the namespace \"default\", shows their logs and builds\n" +
			"them again when their source changes. Requests from this machine need no token.\n" +
			"What the actors keep survives a restart; it is in --data. What the guests may reach, and the\n" +
			"secrets that they may name, are in the file .env of the working folder.",
		RunE: func(cmd *cobra.Command, args []string) error {
			d := &dev{ui: ui, flags: f}
			if err := loopbackOnly(f.listen); err != nil {
				return err
			}
			if err := checkFormat(f.data); err != nil {
				return err // before anything is written there
			}
			var err error
			if d.guests, err = devGuests(f.data, args); err != nil {
				return err
			}
			if d.env, err = readEnvFile(".env"); err != nil {
				return usagef("%v", err)
			}
			return d.run(cmd.Context(), level)
		},
	}
	f.add(cmd, devData)
	cmd.Flags().StringVar(&level, "log-level", "warn", "of the host's own log: debug, info, warn or error")
	return cmd
}

func devGuests(data string, paths []string) ([]guest, error) {
	if len(paths) == 0 {
		g, err := exampleGuest(data)
		return []guest{g}, err
	}
	var guests []guest
	for _, p := range paths {
		g, err := newGuest(p, "")
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(guests, func(o guest) bool { return o.module == g.module }) {
			return nil, usagef("two guests are named %s", g.module)
		}
		guests = append(guests, g)
	}
	return guests, nil
}

// loopbackOnly refuses an address that others can reach: development needs no token.
func loopbackOnly(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return usagef("--listen: %v", err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usagef("dev listens on loopback only, since it asks for no token; `host serve` is for %s", listen)
}

// dev is a running `host dev`.
type dev struct {
	ui     *ui
	flags  serverFlags
	guests []guest
	env    devEnv
	node   *node
	mu     sync.Mutex // orders what is printed
}

func (d *dev) run(ctx context.Context, level string) error {
	log, err := newLogger(d.ui, level)
	if err != nil {
		return err
	}
	key, vault, err := devKeys(d.flags.data)
	if err != nil {
		return err
	}
	d.node, err = startNode(nodeConfig{
		data: d.flags.data, minFree: d.flags.minFree, listen: d.flags.listen, metrics: d.flags.metrics, key: key, dev: true, onLog: d.guestLine, log: log,
		allowLoopback: append(d.env.loopback(), d.flags.allowLoopback...), vault: vault, env: d.env,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	d.say("listening on "+d.node.url()+", data in "+d.flags.data, map[string]any{"event": "listening", "url": d.node.url(), "data": d.flags.data})
	watching.Go(func() { // ends with ctx
		for _, g := range d.guests {
			d.deploy(ctx, g)
			watching.Go(func() {
				if err := watch(ctx, g, func() { d.deploy(ctx, g) }); err != nil {
					d.say("changes of "+g.module+" are not seen: "+err.Error(), map[string]any{"event": "watch_failed", "module": g.module, "error": err.Error()})
				}
			})
		}
	})
	return d.node.wait(ctx)
}

// devKeys returns the keys of the data folder, made at the first start: the one that signs, and that of secrets.
func devKeys(data string) (signing []byte, vault *tenants.Vault, err error) {
	signing, err = devKey(devKeyFile(data))
	if err != nil {
		return nil, nil, err
	}
	key, err := devKey(filepath.Join(filepath.Dir(devKeyFile(data)), "secrets.key"))
	if err != nil {
		return nil, nil, err
	}
	vault, err = tenants.NewVault(key)
	return signing, vault, err
}

func devKey(file string) ([]byte, error) {
	key, err := tenants.LoadKey(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return tenants.CreateKey(file)
}

// deploy builds a guest and makes it live. A guest that cannot be built leaves the version that
// runs.
func (d *dev) deploy(ctx context.Context, g guest) {
	begun := time.Now()
	wasm, err := g.build(ctx, nil)
	if err == nil {
		var v tenants.Version
		var created bool
		v, _, created, err = d.node.actors.Upload(ctx, tenants.Default, bytes.NewReader(wasm),
			actors.UploadOptions{Module: g.module, Live: true, Labels: g.gitLabels(ctx)})
		if err == nil {
			err = d.grant(ctx, g.module)
		}
		if err == nil {
			d.deployed(v, created, time.Since(begun))
			return
		}
	}
	if ctx.Err() != nil {
		return // stopping
	}
	d.say(g.module+": "+describe(err), map[string]any{"event": "failed", "module": g.module, "error": err.Error()})
}

// grant lets a guest reach what .env allows, and nothing else. Without that line what was granted by the API
// stays.
func (d *dev) grant(ctx context.Context, module string) error {
	if len(d.env.egress) == 0 {
		return nil
	}
	if err := actors.CheckEgress(d.env.egress); err != nil {
		return fmt.Errorf(".env: %w", err)
	}
	g := d.node.registry.Grants(tenants.Default, module)
	g.Egress = d.env.egress
	_, err := d.node.registry.SetGrants(ctx, tenants.Default, module, g)
	return err
}

// deployed tells what is live and how to call it.
func (d *dev) deployed(v tenants.Version, created bool, took time.Duration) {
	calls := d.examples(v)
	var b strings.Builder
	fmt.Fprintf(&b, "%s version %d is live (%v)", v.Module, v.Number, took.Round(10*time.Millisecond))
	if v.Number == 1 || !created {
		b.WriteString("; try:\n")
		for _, c := range calls {
			b.WriteString("\n  " + c)
		}
		b.WriteString("\n")
		for _, name := range sortedKeys(v.Actors) {
			fmt.Fprintf(&b, "\n  %s has the actions %s; arguments go into \"args\"", name, strings.Join(sortedKeys(v.Actors[name].Actions), ", "))
		}
		b.WriteString("\n")
	}
	d.say(b.String(), map[string]any{"event": "live", "module": v.Module, "version": v.Number, "created": created, "try": calls})
}

// examples are commands that can be pasted into a shell. Only the counter's arguments are known;
// other actions are shown with none.
func (d *dev) examples(v tenants.Version) []string {
	url := d.node.url()
	call := func(actor, action, args string) string {
		return fmt.Sprintf("curl --json '{\"args\":%s}' '%s/gateway/%s/action/%s?rvt-method=getOrCreate&rvt-key=one'", args, url, actor, action)
	}
	var list []string
	for _, name := range sortedKeys(v.Actors) {
		actions := sortedKeys(v.Actors[name].Actions)
		if name == "counter" && slices.Contains(actions, "increment") {
			list = append(list, call(name, "increment", "[1]"), call(name, "get", "[]"))
			continue
		}
		for _, action := range actions[:min(len(actions), 4)] {
			list = append(list, call(name, action, "[]"))
		}
	}
	return append(list, "curl '"+url+"/actors?name="+sortedKeys(v.Actors)[0]+"'")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// guestLine shows a line of an actor's log. What the guest wrote is made harmless for a terminal.
func (d *dev) guestLine(a actors.Info, l actors.LogLine) {
	d.say(fmt.Sprintf("%s[%s] %s %s: %s", a.Address.Name, a.Address.Key, l.Level, l.Source, logtext.Line(l.Text, maxLogText)),
		map[string]any{"event": "log", "actor": a.Address.Name, "key": a.Address.Key, "actor_id": a.ID.String(),
			"level": l.Level, "source": l.Source, "text": l.Text})
}

// harmless is logtext.Line for text that may have several lines, and is no record.
func harmless(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = logtext.Line(l, maxLogText)
	}
	return strings.Join(lines, "\n")
}

func (d *dev) say(text string, v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ui.print(text, v)
}
