package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
)

const (
	theSecret = "Sk-9fQ2xTz7Lm4+Vb8/Rw1KdY"
	theMarker = "what-the-guest-may-have"
)

// needles are the spellings that nothing may show, in lower case.
func needles() (list [][]byte) {
	all := []string{theSecret, hex.EncodeToString([]byte(theSecret)), url.QueryEscape(theSecret)}
	for before := range 3 {
		for _, b64 := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := b64.EncodeToString([]byte("xx"[:before] + theSecret))
			all = append(all, text[4:len(text)-2]) // what is before and after it decides on the rest
		}
	}
	for _, s := range all {
		list = append(list, bytes.ToLower([]byte(s)))
	}
	return list
}

// shifted is how the guest is asked what its memory holds.
func shifted(s string) string {
	return strings.Map(func(r rune) rune { return r + 1 }, s)
}

// search fails the test if a text shows the secret, and reports whether it has the marker.
func search(t *testing.T, where string, text []byte) bool {
	t.Helper()
	low := bytes.ToLower(text)
	for _, n := range needles() {
		if at := bytes.Index(low, n); at >= 0 {
			t.Errorf("the secret is in %s: %.200q", where, text[max(0, at-40):])
		}
	}
	return bytes.Contains(text, []byte(theMarker))
}

// searchFile searches a file as it is, and everything in it that is compressed.
func searchFile(t *testing.T, path string) (marked bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	marked = search(t, path, text)
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	magic := []byte{0x28, 0xb5, 0x2f, 0xfd}
	for rest := text; ; {
		at := bytes.Index(rest, magic)
		if at < 0 {
			return marked
		}
		rest = rest[at:]
		if d.Reset(bytes.NewReader(rest)) == nil {
			inner, _ := io.ReadAll(d) // as far as it goes: other things follow it
			marked = search(t, path+", decompressed", inner) || marked
		}
		rest = rest[len(magic):]
	}
}

// searchFolder searches every file of a folder, and returns the base names of those with the marker.
func searchFolder(t *testing.T, dir string) (marked []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && searchFile(t, path) {
			marked = append(marked, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return marked
}

// searchRows searches every row of a store, as the engine gives it.
func searchRows(t *testing.T, data string) {
	t.Helper()
	store, err := badgerkv.Open(badgerkv.Config{Dir: filepath.Join(data, storeFolder)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	marked, sealed := false, false
	for it, err := range store.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		marked = search(t, fmt.Sprintf("the row %q", it.Key), append(bytes.Clone(it.Key), it.Value...)) || marked
		sealed = sealed || bytes.Contains(it.Value, []byte(`"sealed"`))
	}
	if !marked || !sealed {
		t.Errorf("of the rows of %s the marker is in one: %v, a sealed secret: %v", data, marked, sealed)
	}
}

// echoServer is a server with TLS that repeats the header X-Key in many ways.
func echoServer(t *testing.T) (address, roots string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("X-Key")
		if r.URL.Path == "/broken" {
			c, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprintf(c, "HTTP/1.1 %s\r\n%s\r\n\r\n", key, key)
			c.Close()
			return
		}
		w.Header().Set("X-Echo", key)
		w.Header().Set("X-Hex", fmt.Sprintf("%X", key))
		fmt.Fprintf(w, "%s %s %s %x %s %s", theMarker, key, strings.ToUpper(key), key, url.QueryEscape(key), base64.StdEncoding.EncodeToString([]byte("X-Key: "+key)))
	}))
	t.Cleanup(s.Close)
	roots = filepath.Join(t.TempDir(), "roots.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(roots, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return s.Listener.Addr().String(), roots
}

// secretHost is a host whose guests may send secrets to a server of the test.
type secretHost struct {
	*process
	t                     *testing.T
	data, key, token, who string
	server, roots         string
}

func newSecretHost(t *testing.T) *secretHost {
	t.Helper()
	dir := t.TempDir()
	h := &secretHost{t: t, data: filepath.Join(dir, "data"), key: filepath.Join(dir, "key")}
	h.server, h.roots = echoServer(t)
	if err := actorstest.ShareCompiled(h.data); err != nil {
		t.Fatal(err)
	}
	host(t, "key", h.key)
	h.token = host(t, "token", "--key-file", h.key, "--role", "operator")
	return h
}

// run starts the host, in place of one that runs.
func (h *secretHost) run(args ...string) {
	h.t.Helper()
	h.stop()
	args = append([]string{"serve", "--data", h.data, "--key-file", h.key, "--log-level", "debug", "--egress-allow-loopback", h.server}, args...)
	h.process = startAs(h.t, func(c *exec.Cmd) { c.Env = append(os.Environ(), "SSL_CERT_FILE="+h.roots) }, args...)
}

func (h *secretHost) stop() {
	if h.process != nil {
		h.Stop()
	}
}

// set sets the secret by the command, from its standard input.
func (h *secretHost) set(value string) {
	h.t.Helper()
	c := exec.Command(os.Args[0], "secret", "set", "KEY", "--host", "127.0.0.1", "--module", "script", "--url", h.URL, "--token", h.token)
	c.Env, c.Stdin = append(os.Environ(), "VIVARIUM_TEST_HOST=1"), strings.NewReader(value+"\n")
	out, err := c.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "KEY for 127.0.0.1, script, version ") || !strings.HasSuffix(string(out), ", ready\n") {
		h.t.Fatalf("host secret set: %v, %s", err, out)
	}
	search(h.t, "what the command prints", out)
}

func (h *secretHost) deploy() {
	h.t.Helper()
	if a := h.request("PUT", "/modules/script", h.token, actorstest.Guest(h.t, actorstest.ScriptGuest)); a.status != 201 {
		h.t.Fatalf("upload: %s", a)
	}
	if a := h.request("PATCH", "/modules/script", h.token, `{"grants":{"egress":["`+h.server+`","localhost:1"]}}`); a.status != 200 {
		h.t.Fatalf("grant: %s", a)
	}
	h.who = h.actor(h.token, "hasty", "a") // which falls asleep at once
}

// do runs a script and returns the answer.
func (h *secretHost) do(steps ...actorstest.Step) string {
	h.t.Helper()
	b, err := json.Marshal([]any{steps})
	if err != nil {
		h.t.Fatal(err)
	}
	a := h.call(h.token, h.who, "do", string(b))
	search(h.t, "an answer", a.body)
	return a.String()
}

// send is a fetch with the secret.
func (h *secretHost) send(to string) actorstest.Step {
	return actorstest.S("fetch", abi.FetchRequest{URL: to, Secrets: map[string]string{"X-Key": "{secret:KEY}"}}, "")
}

// TestSecretsAreNowhere has a guest send a secret to a server that repeats it in every way, keep all that it gets, fail
// in several ways, and sleep. Afterwards the value is in nothing that the host has written, answered or logged.
func TestSecretsAreNowhere(t *testing.T) {
	h := newSecretHost(t)
	dir := t.TempDir()
	secrets := filepath.Join(dir, "secrets.key")
	host(t, "key", secrets)
	h.run("--secrets-key-file", secrets)
	h.set(theSecret)
	h.deploy()
	s := actorstest.S
	to := "https://" + h.server
	got := h.do(h.send(to), s("kv_put", "answer", "$LAST"), h.send(to), s("result"), s("log", 2, "$LAST"),
		s("holds", shifted(theMarker)), s("holds", shifted(theSecret)), s("holds", shifted(strings.ToUpper(theSecret))))
	if !strings.Contains(got, theMarker) || strings.Count(got, "***") < 5 || !regexp.MustCompile(`^200 .*"n":[1-9][0-9]*},{"n":0},{"n":0}]}$`).MatchString(got) {
		t.Fatalf("the guest got %s", got)
	}
	for what, step := range map[string]actorstest.Step{
		"another host": h.send("https://localhost:1/"), "not granted": h.send("https://example.com/"),
		"no such name": s("fetch", abi.FetchRequest{URL: to, Secrets: map[string]string{"X-Key": "{secret:OTHER}"}}, ""),
	} {
		if got := h.do(step, s("result")); !strings.Contains(got, fmt.Sprint(`"n":-`, int(abi.CodeEgressDenied))) {
			t.Errorf("%s: %s", what, got)
		}
	}
	h.do(h.send(to+"/broken"), s("result"), s("log", 2, "$LAST"))
	h.do(s("task_fetch", abi.FetchRequest{URL: to, Secrets: map[string]string{"X-Key": "{secret:KEY}"}, Stream: true}, "", theMarker))
	h.await("the task", func() bool {
		return strings.Count(string(h.request("GET", "/actors/"+h.who+"/kv?prefix=seen/", h.token, nil).body), `"key"`) >= 2
	})
	inspected := 0
	for _, path := range []string{"", "/state", "/kv", "/schedules", "/queue", "/dead", "/logs", "/connections", "/runs"} {
		a := h.request("GET", "/actors/"+h.who+path, h.token, nil)
		search(t, path, a.body)
		inspected += len(a.body)
	}
	for _, path := range []string{"/namespaces/default/secrets", "/modules/script", "/modules/script/versions/1", "/actors?name=hasty", "/namespaces"} {
		if a := h.request("GET", path, h.token, nil); a.status != 200 || search(t, path, a.body) && path == "" {
			t.Errorf("%s: %s", path, a)
		}
	}
	if inspected < 500 {
		t.Errorf("the inspector shows %d bytes", inspected)
	}
	backup, restored := filepath.Join(dir, "host.backup"), filepath.Join(dir, "restored")
	host(t, "backup", "--url", h.URL, "--token", h.token, "-o", backup)
	h.stop()
	if log := h.Printed(); search(t, "the log", []byte(log)) || !strings.Contains(log, "level=DEBUG") || !strings.Contains(log, "egress refused") {
		t.Errorf("the log is not at debug, or has what guests write: %s", log)
	}
	host(t, "restore", backup, "--data", restored)
	searchFile(t, backup)
	searchRows(t, h.data)
	searchRows(t, restored)
	if where := strings.Join(searchFolder(t, h.data), " "); !strings.Contains(where, filepath.Join(h.data, storeFolder)) {
		t.Errorf("what the guest may have was found in %q, want a file of the store", where)
	}
}
