package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/vivarium-run/vivarium/tenants"
)

// Flags that are wrong, or that contradict each other, end the command before anything is opened.
func TestEdgeFlagsRefused(t *testing.T) {
	dir := t.TempDir()
	key, empty, large := filepath.Join(dir, "key"), filepath.Join(dir, "empty"), filepath.Join(dir, "large")
	if _, err := tenants.CreateKey(key); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{empty: []byte("no PEM"), large: make([]byte, maxRootFile+1)} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	acme := "--acme-domain host.example --acme-email ops@host.example "
	many := strings.TrimSuffix(strings.Repeat("a.example,", maxDomains+1), ",")
	for _, tt := range []struct {
		flags, want string
		code        int
	}{
		{"--public-url host.example", "--public-url: it must begin with https://", 2},
		{"--public-url https://host.example/gateway", "--public-url: the path begins with /gateway", 2},
		{"--trusted-proxy 0.0.0.0/0", "--trusted-proxy: \"0.0.0.0/0\" trusts everybody", 2},
		{"--trusted-proxy 10.0.0.0/8,proxy.example", "--trusted-proxy: \"proxy.example\" is neither", 2},
		{"--tls-cert c", "--tls-key", 2},
		{"--tls-key k", "--tls-cert", 2},
		{"--tls-cert c --tls-key k " + acme, "choose one", 2},
		{"--tls-cert c --tls-key k --public-url http://host.example", "not https", 2},
		{acme + "--public-url http://host.example", "not https", 2},
		{"--http-listen 127.0.0.1:0", "it needs --acme-domain, or", 2},
		{"--http-listen 127.0.0.1:0 --tls-cert c --tls-key k", "needs --public-url", 2},
		{"--acme-email ops@host.example", "without --acme-domain", 2},
		{"--acme-root r", "without --acme-domain", 2},
		{"--acme-directory https://ca.example/dir", "without --acme-domain", 2},
		{"--acme-domain host.example", "needs --acme-email", 2},
		{"--acme-domain host.example --acme-email ops", "--acme-email: \"ops\"", 2},
		{"--acme-domain host.example --acme-email Ops<ops@host.example>", "--acme-email:", 2},
		{"--acme-domain *.host.example --acme-email ops@host.example", "wildcard", 2},
		{"--acme-domain Host.example --acme-email ops@host.example", "lower case", 2},
		{"--acme-domain host.example:443 --acme-email ops@host.example", "without a port", 2},
		{"--acme-domain host.example/a --acme-email ops@host.example", "not the name", 2},
		{"--acme-domain 192.0.2.1 --acme-email ops@host.example", "address", 2},
		{"--acme-domain a.example,a.example --acme-email ops@host.example", "twice", 2},
		{"--acme-domain a.example, --acme-email ops@host.example", "not the name", 2},
		{"--acme-domain " + many + " --acme-email ops@host.example", "more than 100", 2},
		{acme + "--acme-directory http://ca.example/dir", "--acme-directory", 2},
		{acme + "--acme-directory https://user@ca.example/dir", "--acme-directory", 2},
		{acme + "--acme-root " + empty, "no certificate", 2},
		{acme + "--acme-root " + large, "too large", 1},
		{acme + "--acme-root " + filepath.Join(dir, "none"), "no such file", 1},
		{acme + "--http-listen 127.0.0.1:port", "port", 1},
	} {
		var out bytes.Buffer
		data := filepath.Join(dir, "data")
		args := append([]string{"serve", "--key-file", key, "--data", data, "--listen", "127.0.0.1:0"}, strings.Fields(tt.flags)...)
		if code := run(args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s: %d %s, want %d %q", tt.flags, code, out.String(), tt.code, tt.want)
		}
		if _, err := os.Stat(data); err == nil {
			t.Errorf("%s: the data folder was opened", tt.flags)
			os.RemoveAll(data)
		}
	}
}

// What the library of certificates says is ours to weigh: the network's trouble is no error of the host.
func TestZapCore(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	z := zap.New(zapCore{log}).With(zap.String("ca", "c"))
	z.Debug("one", zap.Int("n", 1))
	z.Warn("two", zap.Strings("names", []string{"a", "b"}))
	z.Error("three", zap.Error(os.ErrNotExist))
	want := "level=DEBUG msg=\"certificates: one\" ca=c n=1\n" +
		"level=DEBUG msg=\"certificates: two\" ca=c names=\"[a b]\"\n" +
		"level=WARN msg=\"certificates: three\" ca=c error=\"file does not exist\"\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if zap.New(zapCore{slog.New(slog.NewTextHandler(&out, nil))}).Core().Enabled(zap.InfoLevel) {
		t.Error("at level info the library's chatter is shown")
	}
}
