package actors

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Whatever a guest gives as a head, what is taken can be written as it is.
func FuzzParseHead(f *testing.F) {
	for _, doc := range []string{``, `{}`, `{"status":404,"header":{"a":["b","c"]}}`, `{"header":{"a\n":["b"]}}`, `{"header":{"a":["b\r\nc: d"]}}`, `{"status":1e9}`, `[`, `{"header":{"é":["x"]}}`} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		h, err := parseHead(doc)
		if err != nil {
			if abi.CodeOf(err) != abi.CodeInvalidArgument {
				t.Errorf("the error is %v", err)
			}
			return
		}
		if h.Status < 200 || h.Status > 599 {
			t.Errorf("status %d is taken", h.Status)
		}
		for name, values := range h.Header {
			if name == "" || strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") || strings.ContainsAny(name, " :") {
				t.Errorf("the header %q: %q is taken", name, values)
			}
		}
	})
}

// A task's row reads as it was written, whatever its context is.
func FuzzTaskRow(f *testing.F) {
	f.Add([]byte(`{"kind":"timer","life":1}`))
	f.Add([]byte(`{"kind":"fetch","fetch":{"url":"x"},"context":"AA==","chain":[{"id":"x","wait":1}]}`))
	f.Fuzz(func(t *testing.T, row []byte) {
		k, err := decodeTask("id", row)
		if err != nil {
			return
		}
		again, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		second, err := decodeTask("id", again)
		if err != nil || !bytes.Equal(second.Context, k.Context) || second.Kind != k.Kind || len(second.Chain) != len(k.Chain) {
			t.Errorf("%s reads as %+v, then as %+v, %v", row, k, second, err)
		}
	})
}
