package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/tenants"
)

// Flags that are wrong, or that contradict each other, end the command before anything is opened.
func TestEdgeFlagsRefused(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if _, err := tenants.CreateKey(key); err != nil {
		t.Fatal(err)
	}
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
