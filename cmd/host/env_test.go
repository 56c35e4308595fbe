package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadEnv(t *testing.T) {
	got, err := readEnv(strings.NewReader("\ufeff# a comment\n" +
		"DATABASE_URL=postgres://x:y@z/\nBROKEN LINE\n\n" +
		"export VIVARIUM_EGRESS = api.example.com, *.example.org ,http://127.0.0.1:8081\r\n" +
		"VIVARIUM_SECRET_PLAIN=sk-123=4\n" +
		"VIVARIUM_SECRET_BOUND=sk-5@API.example.com\n" +
		"VIVARIUM_SECRET_QUOTED=\"p@ss \"word\"#@x.y\"\n" +
		"VIVARIUM_SECRET_BOTH='p@ss'@127.0.0.1\n" +
		"VIVARIUM_SECRET_LOCAL=abcd@localhost\n" +
		"VIVARIUM_SECRET_6=abcd@[::1]"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"api.example.com", "*.example.org", "http://127.0.0.1:8081"}; !slices.Equal(got.egress, want) {
		t.Errorf("got hosts %q, want %q", got.egress, want)
	}
	want := map[string]devSecret{
		"PLAIN": {"sk-123=4", ""}, "BOUND": {"sk-5", "api.example.com"}, "QUOTED": {`p@ss "word"#@x.y`, ""},
		"BOTH": {"p@ss", "127.0.0.1"}, "LOCAL": {"abcd", "localhost"}, "6": {"abcd", "[::1]"},
	}
	if !maps.Equal(got.secrets, want) {
		t.Errorf("got secrets %q, want %q", got.secrets, want)
	}
}

func TestReadEnvIsStrict(t *testing.T) {
	tests := map[string]string{
		"VIVARIUM_DATA=x":                                   "means nothing in this file",
		"VIVARIUM_SECRET=hunter2":                           "means nothing in this file",
		"VIVARIUM_EGRES=hunter2":                            "means nothing in this file",
		"VIVARIUM_EGRESS":                                   "list of hosts",
		"VIVARIUM_EGRESS=a.b,":                              "list of hosts",
		"VIVARIUM_EGRESS=a.b c.d":                           "list of hosts",
		"VIVARIUM_EGRESS=\"a.b\"":                           "list of hosts",
		"VIVARIUM_EGRESS=a.b\nVIVARIUM_EGRESS=c.d":          "line 2: VIVARIUM_EGRESS: it is there twice",
		"VIVARIUM_SECRET_A=x\nVIVARIUM_SECRET_A=x":          "there twice",
		"VIVARIUM_SECRET_=hunter2":                          "name has capital letters",
		"VIVARIUM_SECRET_a=hunter2":                         "name has capital letters",
		"VIVARIUM_SECRET_A B=hunter2":                       "name has capital letters",
		"VIVARIUM_SECRET_A":                                 "value is empty",
		"VIVARIUM_SECRET_A=":                                "value is empty",
		"VIVARIUM_SECRET_A=\"\"":                            "value is empty",
		"VIVARIUM_SECRET_A=@a.b":                            "value is empty",
		"VIVARIUM_SECRET_A=hunter2@":                        "needs quotes",
		"VIVARIUM_SECRET_A=hunter2@ss":                      "needs quotes",
		"VIVARIUM_SECRET_A=hunter2@ss@a.b":                  "needs quotes",
		"VIVARIUM_SECRET_A=hunter2@a.b:443":                 "needs quotes",
		"VIVARIUM_SECRET_A=hunter2@*.b.c":                   "needs quotes",
		"VIVARIUM_SECRET_A=hunter2 # comment":               "needs quotes",
		"VIVARIUM_SECRET_A=\"hunter2":                       "not closed",
		"VIVARIUM_SECRET_A=\"hunter2\" # a.b":               "after the quotes",
		"VIVARIUM_SECRET_A=\"" + strings.Repeat("x", 1<<17): "too long",
	}
	for in, want := range tests {
		e, err := readEnv(strings.NewReader(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, %v, want %q", in, e, err, want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the value: %v", err)
		}
	}
}

func TestReadEnvFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	if e, err := readEnvFile(path); err != nil || len(e.egress)+len(e.secrets) != 0 {
		t.Errorf("no file: got %v, %v", e, err)
	}
	if err := os.WriteFile(path, []byte("VIVARIUM_EGRESS=a.b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err := readEnvFile(path); err != nil || !slices.Equal(e.egress, []string{"a.b"}) {
		t.Errorf("got %v, %v", e, err)
	}
}
