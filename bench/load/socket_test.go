package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// peer serves each socket that is dialed with f, which reads what the client sends and writes what it is to get.
func peer(t *testing.T, f func(r *bufio.Reader, w io.Writer)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for line := ""; line != "\r\n"; {
					if line, err = r.ReadString('\n'); err != nil {
						return
					}
				}
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
				f(r, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func dialed(t *testing.T, addr string) *Socket {
	t.Helper()
	s, err := DialSocket(t.Context(), addr, "/", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// message is a short frame of a server's.
func message(s string) string { return "\x82" + string(rune(len(s))) + s }

// next reads a short frame of a client's.
func next(r *bufio.Reader) (string, error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	b := make([]byte, head[1]&0x7f)
	_, err := io.ReadFull(r, b)
	return string(b), err
}

func TestSocketReads(t *testing.T) {
	long, huge := strings.Repeat("x", 300), strings.Repeat("y", 70_000)
	tests := []struct {
		name, in, want, wantErr string
	}{
		{name: "short", in: message("hello"), want: "hello"},
		{name: "empty text", in: "\x81\x00", want: ""},
		{name: "length of 16 bits", in: "\x82\x7e\x01\x2c" + long, want: long},
		{name: "length of 64 bits", in: "\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x70" + huge, want: huge},
		{name: "after a pong", in: "\x8a\x00" + message("a"), want: "a"},
		{name: "after a ping", in: "\x89\x01p" + message("a"), want: "a"},
		{name: "close with a reason", in: "\x88\x0c\x03\xf3user.nope!", wantErr: "1011 user.nope!"},
		{name: "bare close", in: "\x88\x00", wantErr: "closed the socket"},
		{name: "masked", in: "\x82\x81\x00\x00\x00\x00a", wantErr: "masked"},
		{name: "compressed", in: "\xc2\x01a", wantErr: "compressed"},
		{name: "a part", in: "\x02\x01a", wantErr: "a part"},
		{name: "no opcode", in: "\x83\x00", wantErr: "opcode 3"},
		{name: "a huge length", in: "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", wantErr: "more than"},
		{name: "cut", in: "\x82\x05a", wantErr: "unexpected EOF"},
		{name: "nothing", in: "", wantErr: "unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := dialed(t, peer(t, func(_ *bufio.Reader, w io.Writer) { io.WriteString(w, tt.in) })).Read()
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil || string(got) != tt.want {
				t.Errorf("got %.20q, %v; want %.20q", got, err, tt.want)
			}
		})
	}
}

func TestAppendFrame(t *testing.T) {
	for n, want := range map[int]string{1: "\x81\x81\x00\x00\x00\x00", 126: "\x81\xfe\x00\x7e\x00\x00\x00\x00", 1 << 16: "\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"} {
		m := bytes.Repeat([]byte("a"), n)
		if got := AppendFrame(nil, m, true); string(got) != want+string(m) {
			t.Errorf("%d bytes: %.20x", n, got)
		}
	}
}

// echo answers each message with f of its number and what it says.
func echo(f func(n int, m string) string) func(*bufio.Reader, io.Writer) {
	return func(r *bufio.Reader, w io.Writer) {
		for n := 0; ; n++ {
			m, err := next(r)
			if err != nil {
				return
			}
			if _, err := io.WriteString(w, message(f(n, m))); err != nil {
				return
			}
		}
	}
}

// numbered are calls that say their number and want to hear it.
func numbered(window int, sockets ...*Socket) *Calls {
	return &Calls{
		Sockets: sockets, Window: window,
		Request: func(b []byte, _, n int) []byte { return AppendFrame(b, fmt.Append(nil, n), false) },
		Check: func(_, n int, m []byte) error {
			if string(m) != fmt.Sprint(n) {
				return fmt.Errorf("%q answers %d", m, n)
			}
			return nil
		},
	}
}

func TestCalls(t *testing.T) {
	same := func(_ int, m string) string { return m }
	for _, window := range []int{1, 7} {
		addr := peer(t, echo(same))
		c := numbered(window, dialed(t, addr), dialed(t, addr))
		for range 2 { // the second run goes on counting
			r, err := c.Run(t.Context(), 10*time.Millisecond)
			if err != nil || r.Requests < 2*window || r.Elapsed < 10*time.Millisecond || len(r.Latencies) != r.Requests {
				t.Errorf("window %d: %d requests in %v, %v", window, r.Requests, r.Elapsed, err)
			}
		}
	}
	wrong := numbered(2, dialed(t, peer(t, echo(func(n int, m string) string { return m[:min(1, len(m)-n/9)] }))))
	if r, err := wrong.Run(t.Context(), time.Minute); err == nil || r.Errors != 1 {
		t.Errorf("wrong answers: %d errors, %v", r.Errors, err)
	}
	if _, err := numbered(0).Run(t.Context(), time.Second); err == nil {
		t.Error("no window is taken")
	}
}

// An idle socket answers pings, and says why it ended.
func TestIdle(t *testing.T) {
	for _, tt := range []struct{ name, end, want string }{
		{"the server closes it", "\x88\x04\x03\xe9by", "1001 by"},
		{"a message", message("a"), "a message came"},
	} {
		pongs := make(chan string, 1)
		s := dialed(t, peer(t, func(r *bufio.Reader, w io.Writer) {
			io.WriteString(w, "\x89\x02hi")
			m, err := next(r)
			pongs <- fmt.Sprint(m, err)
			io.WriteString(w, tt.end)
		}))
		err := s.Idle()
		if got := <-pongs; got != "hi<nil>" || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: pong %q, %v", tt.name, got, err)
		}
	}
}

// room is a server of broadcasts: the socket that speaks first is the publisher, and is answered last.
type room struct {
	mu   sync.Mutex
	all  []io.Writer
	here sync.WaitGroup
	say  func(n, subscriber int, m string) string // what a subscriber gets
}

func (o *room) serve(r *bufio.Reader, w io.Writer) {
	o.mu.Lock()
	o.all = append(o.all, w)
	o.mu.Unlock()
	o.here.Done()
	for n := 0; ; n++ {
		m, err := next(r)
		if err != nil {
			return
		}
		o.mu.Lock()
		for i, to := range o.all {
			if to != w {
				io.WriteString(to, o.say(n, i, m))
			}
		}
		o.mu.Unlock()
		io.WriteString(w, message("ok"))
	}
}

func TestBroadcast(t *testing.T) {
	tests := []struct {
		name    string
		say     func(n, i int, m string) string
		wantErr string // substring; empty means success
	}{
		{name: "right", say: func(_, _ int, m string) string { return message(m) }},
		{name: "one is told something else", say: func(n, i int, m string) string { return message(m[:len(m)-n/5*i]) }, wantErr: "a subscriber got"},
		{name: "one is told twice", say: func(n, i int, m string) string { return strings.Repeat(message(m), 1+n/5*i) }, wantErr: "a subscriber got"},
		{name: "one is closed", say: func(n, i int, m string) string {
			if n == 5 && i == 1 {
				return "\x88\x00"
			}
			return message(m)
		}, wantErr: "closed the socket"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &room{say: tt.say}
			o.here.Add(4)
			addr := peer(t, o.serve)
			b := &Broadcast{
				Subscribers: []*Socket{dialed(t, addr), dialed(t, addr), dialed(t, addr)}, Window: 3,
				Say:   func(b []byte, n int) []byte { return AppendFrame(b, fmt.Append(nil, "message ", n), false) },
				Heard: func(n int) []byte { return fmt.Append(nil, "message ", n) },
				Answered: func(_ int, m []byte) error {
					if string(m) != "ok" {
						return errors.New("not answered")
					}
					return nil
				},
			}
			b.Publisher = dialed(t, addr)
			o.here.Wait()
			d := 10 * time.Millisecond
			if tt.wantErr != "" {
				d = time.Minute
			}
			for range 2 {
				r, err := b.Run(t.Context(), d)
				if tt.wantErr != "" {
					if err == nil || !strings.Contains(err.Error(), tt.wantErr) || r.Errors != 1 {
						t.Fatalf("%d errors, %v; want one with %q", r.Errors, err, tt.wantErr)
					}
					return
				}
				if err != nil || r.Requests < 9 || r.Requests%3 != 0 || len(r.Latencies) != r.Requests {
					t.Errorf("%d deliveries, %v", r.Requests, err)
				}
			}
		})
	}
}
