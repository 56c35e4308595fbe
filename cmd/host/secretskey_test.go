package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/tenants"
)

// TestKeyForSecrets starts one data folder with each key that an operator may come with. What guests of a host without
// the right one are told is clear, and the secret is there when the key is.
func TestKeyForSecrets(t *testing.T) {
	h := newSecretHost(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"one", "two", "wrong"} {
		host(t, "key", file(name))
	}
	list := func() string {
		return string(h.request("GET", "/namespaces/default/secrets", h.token, nil).body)
	}
	h.run("--secrets-key-file", file("one"))
	h.set(theSecret)
	h.deploy()
	tests := []struct {
		name  string
		flags []string
		state string // of the secret
		sent  string // what is said of a request with it
		log   string
	}{
		{"its key", []string{"--secrets-key-file", file("one")}, "ready", theMarker, ""},
		{"no key", nil, "unreadable", "The host has no key for secrets", "secrets cannot be read"},
		{"a wrong key", []string{"--secrets-key-file", file("wrong")}, "unreadable", "the secret KEY cannot be read", "secrets cannot be read"},
		{"a wrong key before a wrong one", []string{"--secrets-key-file", file("two"), "--old-secrets-key-file", file("wrong")}, "unreadable", "the secret KEY cannot be read", "secrets cannot be read"},
		{"a new key before it", []string{"--secrets-key-file", file("two"), "--old-secrets-key-file", file("one")}, "ready", theMarker, "no secret needs the old key"},
		{"the new key", []string{"--secrets-key-file", file("two")}, "ready", theMarker, ""},
		{"the old key", []string{"--secrets-key-file", file("one")}, "unreadable", "the secret KEY cannot be read", "secrets cannot be read"},
	}
	for _, tt := range tests {
		h.run(tt.flags...)
		if got := list(); !strings.Contains(got, `"state":"`+tt.state+`"`) || !strings.Contains(got, `"version":1,`) {
			t.Errorf("%s: the list is %s", tt.name, got)
		}
		if got := h.do(h.send("https://"+h.server), actorstest.S("result")); !strings.Contains(got, tt.sent) {
			t.Errorf("%s: the guest is told %s, want %s", tt.name, got, tt.sent)
		}
		if log := h.Printed(); !strings.Contains(log, tt.log) || tt.log == "" && strings.Contains(log, "old key") {
			t.Errorf("%s: the log has no %q: %s", tt.name, tt.log, log)
		}
	}
	if a := h.request("PUT", "/namespaces/default/secrets/KEY", h.token, `{"value":"`+theSecret+`","host":"127.0.0.1"}`); a.status != 200 {
		t.Errorf("to set it again: %s", a)
	}
	if got := list(); !strings.Contains(got, `"version":2,"state":"ready"`) {
		t.Errorf("set again: %s", got)
	}
}

// TestKeyFilesForSecretsAreStrict: what would give the key away, or makes no sense, is a wrong command line or an error.
func TestKeyFilesForSecretsAreStrict(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	key, secrets, open, inData := filepath.Join(dir, "key"), filepath.Join(dir, "secrets"), filepath.Join(dir, "open"), filepath.Join(data, "secrets")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{key, secrets, open, inData} {
		host(t, "key", f)
	}
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(inData, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		flags      []string
	}{
		{"in the data folder", "must not lie in the data folder", []string{"--secrets-key-file", inData}},
		{"the old one in the data folder", "must not lie in the data folder", []string{"--secrets-key-file", secrets, "--old-secrets-key-file", inData}},
		{"in the data folder by a link", "must not lie in the data folder", []string{"--secrets-key-file", filepath.Join(dir, "link")}},
		{"others can read it", "chmod 600", []string{"--secrets-key-file", open}},
		{"it signs tokens", "must not be one that signs tokens", []string{"--secrets-key-file", key}},
		{"no file", "no such file", []string{"--secrets-key-file", filepath.Join(dir, "none")}},
		{"an old key alone", "which is missing", []string{"--old-secrets-key-file", secrets}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(append([]string{"serve", "--data", data, "--key-file", key, "--listen", "127.0.0.1:0"}, tt.flags...), &out, &errs)
			if code == 0 || !strings.Contains(errs.String(), tt.want) {
				t.Errorf("exit code %d, %s, want %q", code, errs.String(), tt.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(data, storeFolder)); !os.IsNotExist(err) {
		t.Errorf("a host that did not start has made a store: %v", err)
	}
}

// TestSecretCommands sets, lists and deletes over the network, in `host dev`, which keeps a key of its own where no
// backup takes it.
func TestSecretCommands(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, "dev", filepath.Join(actorstest.Root(), "examples", "wasm", "extism-as", "plugin.wasm"), "--data", data)
	secret := func(in string, args ...string) (int, string) {
		var out, errs bytes.Buffer
		cmd := rootCommand(&ui{out: &out, err: &errs})
		cmd.SetArgs(append(append([]string{"secret"}, args...), "--url", p.URL))
		cmd.SetIn(strings.NewReader(in))
		err := cmd.Execute()
		if err != nil {
			return exitCode(err), describe(err)
		}
		return 0, strings.TrimSpace(out.String())
	}
	for _, tt := range []struct {
		in   string
		args string
		exit int
		want string
	}{
		{"sk-123456\r\n", "set KEY --host API.example.com", 0, "KEY for api.example.com, all modules, version 1 of "},
		{"sk-654321", "set KEY --host api.example.com --module b --module a --json", 0, `{"name":"KEY","host":"api.example.com","modules":["a","b"],"version":2,"state":"ready","create_ts":`},
		{"", "list", 0, "KEY for api.example.com, a,b, version 2 of "},
		{"", "set KEY --host api.example.com", 2, "standard input, and there is none"},
		{"\n", "set KEY --host api.example.com", 2, "standard input, and there is none"},
		{strings.Repeat("x", maxSecretInput+1), "set KEY --host api.example.com", 2, "too long"},
		{strings.Repeat("x", 8<<10+1), "set KEY --host api.example.com", 1, "4 to 8192 bytes"},
		{"sk-123456", "set KEY", 2, "--host"},
		{"sk-123456", "set --host a.b", 2, "accepts 1 arg(s)"},
		{"sk-123456", "set KEY sk-123456 --host a.b", 2, "accepts 1 arg(s)"},
		{"sk-123456", "set key --host a.b", 1, "capital letters"},
		{"", "delete KEY", 0, "deleted KEY"},
		{"", "delete KEY", 1, "no such secret"},
		{"", "list", 0, ""},
	} {
		exit, got := secret(tt.in, strings.Fields(tt.args)...)
		if exit != tt.exit || !strings.Contains(got, tt.want) || tt.want == "" && got != "" || exit != 0 && strings.Contains(got, "sk-") {
			t.Errorf("host secret %s: exit code %d, %q, want %d, %q", tt.args, exit, got, tt.exit, tt.want)
		}
	}
	device, err := os.Open(os.DevNull) // a terminal is a device, too
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	if _, err := readSecret(device); exitCode(err) != 2 || !strings.Contains(err.Error(), "a terminal would show it") {
		t.Errorf("a value from a device: %v", err)
	}
	if info, err := os.Stat(filepath.Join(data, "dev-keys", "secrets.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key of dev: %v, %v", info, err)
	}
}

// TestEnvStandsBeforeStoredSecrets: what a developer wrote down for a name is all that there is of it, in the namespace
// default.
func TestEnvStandsBeforeStoredSecrets(t *testing.T) {
	vault, err := tenants.NewVault(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	n, err := startNode(nodeConfig{data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0", key: make([]byte, 32), vault: vault, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.stop()
	if _, err := n.registry.CreateNamespace(t.Context(), "acme", ""); err != nil {
		t.Fatal(err)
	}
	for _, ns := range []tenants.ID{tenants.Default, "acme"} {
		for _, name := range []string{"BOTH", "STORED"} {
			if _, _, err := n.registry.PutSecret(t.Context(), ns, tenants.NewSecret{Name: name, Host: "a.example", Value: []byte("stored")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	find := n.secrets(devEnv{secrets: map[string]devSecret{"BOTH": {"written", "b.example"}, "WRITTEN": {"written", ""}}})
	for _, tt := range []struct {
		ns         tenants.ID
		name, host string
		want       string
	}{
		{tenants.Default, "BOTH", "b.example", "written"},
		{tenants.Default, "BOTH", "a.example", ""},
		{tenants.Default, "STORED", "a.example", "stored"},
		{tenants.Default, "WRITTEN", "any.example", "written"},
		{"acme", "BOTH", "a.example", "stored"},
		{"acme", "BOTH", "b.example", ""},
		{"acme", "WRITTEN", "any.example", ""},
	} {
		if got, err := find(tt.ns, "m", tt.name, tt.host); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s in %s for %s: %q, %v, want %q", tt.name, tt.ns, tt.host, got, err, tt.want)
		}
	}
}
