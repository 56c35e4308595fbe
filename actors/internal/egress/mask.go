package egress

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// masked stands where a secret was.
const masked = "***"

// mask knows the secrets that a request carries, and hides them in what comes back: a server that
// repeats its request must not tell the guest. It hides a secret as it is and in the encodings that
// echoes use, whatever the case of their letters; it cannot hide it from a server that means to tell.
// The nil mask hides nothing.
type mask struct {
	words []word
}

// word is one text to be hidden, in lower case. fail[n] is the length of the longest proper prefix of the
// text that also ends its first n bytes, as Knuth, Morris and Pratt have it.
type word struct {
	text []byte
	fail []int
}

func newMask(secrets []string) *mask {
	if len(secrets) == 0 {
		return nil
	}
	var m mask
	seen := map[string]bool{}
	for _, s := range secrets {
		for _, form := range forms(s) {
			form = string(lower([]byte(form)))
			if !seen[form] && len(form) >= minSecret {
				seen[form] = true
				m.words = append(m.words, newWord(form))
			}
		}
	}
	return &m
}

func newWord(s string) word {
	w := word{[]byte(s), make([]int, len(s)+1)}
	for i, n := 1, 0; i < len(s); i++ {
		for n > 0 && s[i] != s[n] {
			n = w.fail[n]
		}
		if s[i] == s[n] {
			n++
		}
		w.fail[i+1] = n
	}
	return w
}

// lower changes the letters of ASCII in p, and returns it.
func lower(p []byte) []byte {
	for i, c := range p {
		if 'A' <= c && c <= 'Z' {
			p[i] = c | 0x20
		}
	}
	return p
}

// text returns s with the secrets hidden.
func (m *mask) text(s string) string {
	if m == nil {
		return s
	}
	st := m.stream()
	return string(slices.Concat(st.feed([]byte(s)), st.flush()))
}

// names reports whether a lower-case header name has a secret in it.
func (m *mask) names(name string) bool {
	return m != nil && slices.ContainsFunc(m.words, func(w word) bool { return strings.Contains(name, string(w.text)) })
}

// stream hides the secrets in bytes that come in pieces. It holds back only what may be the
// beginning of a secret, so that events of a stream pass at once.
type stream struct {
	words []word
	state []int  // per word: how many of its bytes the input ends with
	last  []int  // per word: end in held of what was marked for it
	held  []byte // not yet returned
	low   []byte // held in lower case
	mark  []bool // per byte of held: part of a secret
	run   bool   // the last byte that was returned was part of a secret
}

func (m *mask) stream() *stream {
	return &stream{words: m.words, state: make([]int, len(m.words)), last: make([]int, len(m.words))}
}

// feed takes the next piece and returns what is certain.
func (s *stream) feed(p []byte) []byte {
	begin := len(s.held)
	s.held = append(s.held, p...)
	s.low = append(s.low, p...)
	lower(s.low[begin:])
	s.mark = append(s.mark, make([]bool, len(p))...)
	hold := 0
	for i := range s.words {
		s.scan(i, begin)
		hold = max(hold, s.state[i])
	}
	return s.emit(len(s.held) - hold)
}

// scan looks for word i in held from begin on, in lower case, and marks it. Places may overlap.
func (s *stream) scan(i, begin int) {
	w, n := s.words[i], s.state[i]
	for at := begin; at < len(s.held); at++ {
		if n == 0 { // most bytes begin no secret
			next := bytes.IndexByte(s.low[at:], w.text[0])
			if next < 0 {
				break
			}
			at += next
		}
		for n > 0 && s.low[at] != w.text[n] {
			n = w.fail[n]
		}
		if s.low[at] == w.text[n] {
			n++
		}
		if n == len(w.text) {
			for j := max(at+1-n, s.last[i]); j <= at; j++ {
				s.mark[j] = true
			}
			s.last[i] = at + 1
			n = w.fail[n]
		}
	}
	s.state[i] = n
}

// emit returns the first n held bytes, each run of marked ones as one mask.
func (s *stream) emit(n int) []byte {
	out := make([]byte, 0, n)
	for i, c := range s.held[:n] {
		if !s.mark[i] {
			out = append(out, c)
		} else if !s.run {
			out = append(out, masked...)
		}
		s.run = s.mark[i]
	}
	s.held, s.low = append(s.held[:0], s.held[n:]...), append(s.low[:0], s.low[n:]...)
	s.mark = append(s.mark[:0], s.mark[n:]...)
	for i := range s.last {
		s.last[i] = max(0, s.last[i]-n)
	}
	return out
}

// flush returns what is held: nothing comes after it. A secret that is cut off by the end is hidden
// as well, or an answer of the right length would show all but its last byte.
func (s *stream) flush() []byte {
	for i, n := range s.state {
		if n >= min(8, len(s.words[i].text)/2) {
			for j := len(s.held) - n; j < len(s.held); j++ {
				s.mark[j] = true
			}
		}
	}
	return s.emit(len(s.held))
}

// reader returns r with the secrets hidden.
func (m *mask) reader(r io.Reader) io.Reader {
	if m == nil {
		return r
	}
	return &maskedReader{from: r, stream: m.stream(), buf: make([]byte, 16<<10)}
}

type maskedReader struct {
	from   io.Reader
	stream *stream
	buf    []byte
	ready  []byte
	err    error
}

func (r *maskedReader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		var n int
		n, r.err = r.from.Read(r.buf)
		r.ready = r.stream.feed(r.buf[:n])
		if r.err != nil {
			r.ready = append(r.ready, r.stream.flush()...)
		}
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}
