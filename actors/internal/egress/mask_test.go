package egress

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// TestMaskAtEachBoundary cuts a text in two and in single bytes: what comes out is the same.
func TestMaskAtEachBoundary(t *testing.T) {
	tests := []struct {
		name    string
		secrets []string
		in      string
		want    string
	}{
		{"once", []string{"sesame"}, "open sesame now", "open *** now"},
		{"at the ends", []string{"sesame"}, "sesame sesame", "*** ***"},
		{"false starts", []string{"sesame"}, "ses sesa sesames esame sesesame", "ses sesa ***s esame se***"},
		{"adjacent", []string{"sesame"}, "sesamesesame", "***"},
		{"overlapping itself", []string{"abcab"}, "xabcabcaby", "x***y"},
		{"repetition", []string{"aaaa"}, "aaaaaaab", "***b"},
		{"one within the other", []string{"abcd", "xabcdefx"}, "abcd xabcdefx xabcdef", "*** *** ***"},
		{"one over the other", []string{"abcdXY", "XYefgh"}, "-abcdXYefgh-", "-***-"},
		{"cut off by the end", []string{"abcdefghijkl"}, "--abcdefgh", "--***"},
		{"a few bytes at the end", []string{"abcdefghijkl"}, "--abc", "--abc"},
		{"in another case", []string{"Sesame-1"}, "SESAME-1 sesame-1 sESAME-1 sesame-2", "*** *** *** sesame-2"},
		{"any bytes", []string{"s\xff\xfe\tt"}, "\xffs\xff\xfe\tt\xff", "\xff***\xff"},
		{"none", []string{"sesame"}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMask(tt.secrets)
			if got := m.text(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for i := range len(tt.in) {
				s := m.stream()
				var got []byte
				got = append(got, s.feed([]byte(tt.in[:i]))...)
				got = append(got, s.feed([]byte(tt.in[i:]))...)
				if got = append(got, s.flush()...); string(got) != tt.want {
					t.Errorf("cut at %d: got %q, want %q", i, got, tt.want)
				}
			}
			got, err := io.ReadAll(m.reader(iotest.OneByteReader(iotest.DataErrReader(strings.NewReader(tt.in)))))
			if err != nil || string(got) != tt.want {
				t.Errorf("by bytes: got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// TestMaskAgainstModel compares the stream with a slow way that looks at each place, on random texts
// of few letters, where words overlap much.
func TestMaskAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[r.IntN(2)]
		}
		return string(b)
	}
	for range 3000 {
		var m mask
		for range 1 + r.IntN(3) {
			m.words = append(m.words, newWord(letters(4+r.IntN(5))))
		}
		text := strings.Map(func(c rune) rune { return c - rune(r.IntN(2)*('a'-'A')) }, letters(r.IntN(60)))
		s := m.stream()
		var got []byte
		for rest := []byte(text); len(rest) > 0; {
			n := 1 + r.IntN(min(len(rest), 7))
			got, rest = append(got, s.feed(rest[:n])...), rest[n:]
		}
		got = append(got, s.emit(len(s.held))...) // flush hides more, at the end only
		if want := slowly(&m, text); string(got) != want {
			t.Fatalf("seed %d: %q with %v: got %q, want %q", seed, text, m.words, got, want)
		}
	}
}

func slowly(m *mask, text string) string {
	mark := make([]bool, len(text))
	for _, w := range m.words {
		for i := range text {
			for j := 0; strings.HasPrefix(strings.ToLower(text[i:]), string(w.text)) && j < len(w.text); j++ {
				mark[i+j] = true
			}
		}
	}
	var b strings.Builder
	for i := range text {
		if !mark[i] {
			b.WriteByte(text[i])
		} else if i == 0 || !mark[i-1] {
			b.WriteString(masked)
		}
	}
	return b.String()
}

// echo repeats what it was sent in the ways in which servers do, in small pieces.
func echo(w http.ResponseWriter, r *http.Request) {
	s := r.Header.Get("X-Key")
	w.Header().Set("X-Echo", "you sent "+s)
	w.Header().Add("Set-Cookie", "key="+s)
	quoted, _ := json.Marshal(s)
	all := fmt.Sprintf("%s|%s|%s|%s|%s|%s", s, quoted, url.QueryEscape(s), url.PathEscape(s),
		base64.StdEncoding.EncodeToString([]byte(s)), strings.Repeat(s, 3))
	for i := 0; i < len(all); i += 3 {
		_, _ = io.WriteString(w, all[i:min(i+3, len(all))])
		w.(http.Flusher).Flush()
	}
}

func TestSecretsDoNotComeBack(t *testing.T) {
	const secret = `tr0ub4dor "<&>/`
	address := serve(t, echo)
	broken := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, _ := w.(http.Hijacker).Hijack()
		fmt.Fprintf(c, "HTTP/1.1 %s\r\n\r\n", r.Header.Get("X-Key"))
		c.Close()
	})
	w := newWorld(t, Config{AllowLoopback: []string{address, broken}})
	p := policy(t, "http://"+address, "http://"+broken)
	p.Secrets = func(name, host string) (string, error) {
		if name != "KEY" || host != "127.0.0.1" {
			return "", fmt.Errorf("no secret %s for %s", name, host)
		}
		return secret, nil
	}
	send := map[string]string{"X-Key": "{secret:KEY}"}
	r, body, err := w.fetch(t, p, abi.FetchRequest{URL: "http://" + address, Secrets: send}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := `***|"***"|***|***|***|***`; body != want {
		t.Errorf("got body %q, want %q", body, want)
	}
	if h := r.Header; h["x-echo"][0] != "you sent ***" || h["set-cookie"][0] != "key=***" {
		t.Errorf("got header %v", h)
	}
	_, _, err = w.fetch(t, p, abi.FetchRequest{URL: "http://" + broken, Secrets: send}, nil)
	checkCode(t, err, abi.CodeFetchFailed, "not valid HTTP")
	for name, text := range map[string]string{"header": fmt.Sprint(r.Header), "error": err.Error(), "log": w.log.String()} {
		if strings.Contains(text, "tr0ub4dor") {
			t.Errorf("the secret is in the %s: %s", name, text)
		}
	}
}

func TestSecretsAreNoNames(t *testing.T) {
	in := http.Header{"X-Sesame-Open": {"1"}, "X-Other": {"Sesame-Open"}, "Content-Length": {"11"}}
	got := responseHeader(in, false, newMask([]string{"Sesame-Open"}))
	if len(got) != 1 || got["x-other"][0] != masked {
		t.Errorf("got %v", got)
	}
}

func TestSecretsAreStrict(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		_, _ = w.Write([]byte(r.Header.Get("X")))
	})
	w := newWorld(t, Config{AllowLoopback: []string{address}})
	values := map[string]string{"GOOD": "sesame", "SHORT": "abc", "LINES": "sesame\r\nx: y", "LONG": strings.Repeat("x", maxSecret+1)}
	p := policy(t, "http://"+address, "http://plain.test")
	p.Secrets = func(name, _ string) (string, error) {
		if v, ok := values[name]; ok {
			return v, nil
		}
		return "", fmt.Errorf("the secret is bound to inside.example")
	}
	header := map[string][]string{}
	tests := map[string]struct {
		template string
		header   string
		code     abi.Code
		text     string
	}{
		"unknown":      {"{secret:OTHER}", "", abi.CodeEgressDenied, "there is no secret OTHER for this host"},
		"short":        {"{secret:SHORT}", "", abi.CodeEgressDenied, "too short"},
		"long":         {"{secret:LONG}", "", abi.CodeEgressDenied, "too long"},
		"lines":        {"{secret:LINES}", "", abi.CodeEgressDenied, "not fit"},
		"none":         {"Bearer x", "", abi.CodeInvalidArgument, "names none"},
		"open":         {"{secret:GOOD", "", abi.CodeInvalidArgument, "{secret:NAME}"},
		"nameless":     {"{secret:}", "", abi.CodeInvalidArgument, "{secret:NAME}"},
		"odd name":     {"{secret:A B}", "", abi.CodeInvalidArgument, "{secret:NAME}"},
		"many":         {strings.Repeat("{secret:GOOD}", maxSecrets+1), "", abi.CodeInvalidArgument, "at most"},
		"twice":        {"{secret:GOOD}", "x", abi.CodeInvalidArgument, "set twice"},
		"with a range": {"{secret:GOOD}", "Range", abi.CodeInvalidArgument, "has no header range"},
		"not readable": {"a {secret:GOOD} b", "", abi.CodeFetchFailed, "cannot be found in"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if header = nil; tt.header != "" {
				header = map[string][]string{tt.header: {"bytes=0-1"}}
			}
			_, _, err := w.fetch(t, p, abi.FetchRequest{URL: "http://" + address, Header: header, Secrets: map[string]string{"X": tt.template}}, nil)
			checkCode(t, err, tt.code, tt.text)
			if strings.Contains(abi.AsError(err).PublicMessage(), "inside") {
				t.Error("the guest is told where a secret belongs")
			}
		})
	}
	_, _, err := w.fetch(t, p, abi.FetchRequest{URL: "http://plain.test", Secrets: map[string]string{"X": "{secret:GOOD}"}}, nil)
	checkCode(t, err, abi.CodeEgressDenied, "https only")
	p.Secrets = nil
	_, _, err = w.fetch(t, p, abi.FetchRequest{URL: "http://" + address, Secrets: map[string]string{"X": "{secret:GOOD}"}}, nil)
	checkCode(t, err, abi.CodeEgressDenied, "there is no secret GOOD")
}

func BenchmarkMask(b *testing.B) {
	m := newMask([]string{"sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"})
	text := bytes.Repeat([]byte("The quick brown fox skips over the lazy dog. "), 1<<13)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s := m.stream()
		s.feed(text)
		s.flush()
	}
}
