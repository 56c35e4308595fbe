package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

// content is what a file has, as text, and the visitor that gathers it.
type content struct {
	text strings.Builder
	skip bool // bodies of modules
}

func (c *content) Info(i Info) error {
	fmt.Fprintf(&c.text, "info %s %d %s\n", i.Host, i.Format, i.Engine)
	return nil
}

func (c *content) Row(it kv.Item) error {
	fmt.Fprintf(&c.text, "row %q %x\n", it.Key, sha256.Sum256(it.Value))
	return nil
}

func (c *content) Module(d Digest, size int64, r io.Reader) error {
	fmt.Fprintf(&c.text, "module %x %d\n", d, size)
	if c.skip {
		return nil
	}
	b, err := io.ReadAll(r)
	if err == nil && (int64(len(b)) != size || sha256.Sum256(b) != d) {
		err = errors.New("other bytes than promised")
	}
	return err
}

// sample returns a file with rows and modules, small and large.
func sample(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, Info{Created: time.Unix(1_800_000_000, 0), Host: "test", Format: 1, Engine: "badger"})
	if err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{0, 1, 100, batch, 512<<10 + 1, 3} {
		if err := w.Row(kv.Item{Key: fmt.Appendf(nil, "key %d", i), Value: bytes.Repeat([]byte{byte(i)}, size)}); err != nil {
			t.Fatal(err)
		}
	}
	for i, size := range []int{0, 5, batch, 2*batch + 7} {
		body := bytes.Repeat([]byte{byte(i)}, size)
		if err := w.Module(sha256.Sum256(body), int64(size), bytes.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	n, err := w.Close()
	if err != nil || n != (Count{6, 4, int64(b.Len())}) {
		t.Fatalf("close: %+v of %d bytes, %v", n, b.Len(), err)
	}
	return b.Bytes()
}

func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestRoundTrip(t *testing.T) {
	file := sample(t)
	var whole, bytewise, skipped content
	n, err := Read(bytes.NewReader(file), &whole)
	if err != nil || n != (Count{6, 4, int64(len(file))}) {
		t.Fatalf("%+v, %v", n, err)
	}
	if _, err := Read(iotest.OneByteReader(bytes.NewReader(file)), &bytewise); err != nil || bytewise.text.String() != whole.text.String() {
		t.Errorf("byte by byte: %v\n%s", err, bytewise.text.String())
	}
	skipped.skip = true
	if _, err := Read(bytes.NewReader(file), &skipped); err != nil || skipped.text.String() != whole.text.String() {
		t.Errorf("without bodies: %v\n%s", err, skipped.text.String())
	}
	if got := strings.Count(whole.text.String(), "\n"); got != 1+6+4 {
		t.Errorf("it has\n%s", whole.text.String())
	}
}

// A file that ends too early is noticed, wherever it ends.
func TestTruncated(t *testing.T) {
	file := sample(t)
	for n := range len(file) {
		if n > 300 && n < len(file)-150 && n%19937 != 0 {
			continue
		}
		want := Truncated
		if n < len(magic) {
			want = NotABackup
		}
		if _, err := Read(bytes.NewReader(file[:n]), new(content)); codeOf(err) != want {
			t.Fatalf("%d bytes of %d: got %v, want %s", n, len(file), err, want)
		}
	}
}

// A flipped bit is noticed, wherever it is.
func TestFlippedBits(t *testing.T) {
	file := sample(t)
	for n := range len(file) {
		if n > 300 && n < len(file)-150 && n%19937 != 0 {
			continue
		}
		bad := bytes.Clone(file)
		bad[n] ^= 1 << (n % 8)
		if _, err := Read(bytes.NewReader(bad), new(content)); codeOf(err) == "" {
			t.Fatalf("byte %d: got %v, want a refusal", n, err)
		}
	}
}

// remade returns a file with other frames, whose checksums are right.
func remade(frames ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte(magic), Version)
	for _, f := range frames {
		b = append(b, f...)
	}
	return b
}

func frame(kind byte, payload string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(payload)))
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func end(rows, modules uint64, before []byte) []byte {
	p := binary.BigEndian.AppendUint64(nil, rows)
	p = binary.BigEndian.AppendUint64(p, modules)
	sum := sha256.Sum256(before)
	return frame(frameEnd, string(append(p, sum[:]...)))
}

// Who writes a file by hand can make all checksums right. What it says must still be a backup.
func TestForged(t *testing.T) {
	info := frame(frameInfo, `{"host":"x","format":1,"engine":"badger"}`)
	row := frame(frameRows, "\x00\x00\x00\x01\x00\x00\x00\x01kv")
	sum := sha256.Sum256([]byte("abc"))
	module := frame(frameModule, string(sum[:])+"\x00\x00\x00\x00\x00\x00\x00\x03")
	whole := func(rows, modules uint64, frames ...[]byte) []byte {
		b := remade(frames...)
		return append(b, end(rows, modules, b)...)
	}
	if _, err := Read(bytes.NewReader(whole(1, 1, info, row, module, frame(frameData, "abc"))), new(content)); err != nil {
		t.Fatalf("a file that is right: %v", err)
	}
	newer := whole(0, 0, info)
	newer[len(magic)+3]++
	zero := bytes.Clone(newer)
	zero[len(magic)+3] = 0
	for name, tt := range map[string]struct {
		file []byte
		want Code
	}{
		"nothing":                    {nil, NotABackup},
		"another file":               {[]byte("PK\x03\x04 this is an archive of another program"), NotABackup},
		"a newer form":               {newer, Newer},
		"form zero":                  {zero, NotABackup},
		"bytes after the end":        {append(whole(0, 0, info), 0), Trailing},
		"a file after the end":       {append(whole(0, 0, info), whole(0, 0, info)...), Trailing},
		"no info":                    {whole(1, 0, row), Damaged},
		"an info that says nothing":  {whole(0, 0, frame(frameInfo, "{}")), Damaged},
		"an info that is too long":   {whole(0, 0, frame(frameInfo, strings.Repeat(" ", maxInfo+1))), Damaged},
		"two infos":                  {whole(0, 0, info, info), Damaged},
		"a row without its value":    {whole(1, 0, info, frame(frameRows, "\x00\x00\x00\x01\x00\x00\x00\x09k")), Damaged},
		"a row of 8 GiB":             {whole(1, 0, info, frame(frameRows, strings.Repeat("\xff", 8)+"k")), Damaged},
		"half a row":                 {whole(1, 0, info, frame(frameRows, "\x00\x00\x00")), Damaged},
		"a frame without rows":       {whole(0, 0, info, frame(frameRows, "")), Damaged},
		"rows after modules":         {whole(1, 1, info, module, frame(frameData, "abc"), row), Damaged},
		"a module of other bytes":    {whole(0, 1, info, module, frame(frameData, "abd")), Damaged},
		"a module that is too long":  {whole(0, 1, info, module, frame(frameData, "abcd")), Damaged},
		"a module that is too short": {whole(0, 1, info, module, frame(frameData, "ab")), Damaged},
		"a module of empty frames":   {whole(0, 1, info, module, frame(frameData, "")), Damaged},
		"a module without a name":    {whole(0, 1, info, frame(frameModule, "\x01\x02\x03")), Damaged},
		"a module of all the disk":   {whole(0, 1, info, frame(frameModule, string(sum[:])+strings.Repeat("\xff", 8))), Damaged},
		"bytes of no module":         {whole(0, 0, info, frame(frameData, "abc")), Damaged},
		"an unknown frame":           {whole(0, 0, info, frame('?', "")), Damaged},
		"a frame of 4 GiB":           {remade(info, []byte{frameRows, 255, 255, 255, 255}), Damaged},
		"fewer rows than it says":    {whole(2, 0, info, row), Damaged},
		"fewer modules than it says": {whole(1, 1, info, row), Damaged},
		"the end of another file":    {append(remade(info), end(0, 0, nil)...), Damaged},
		"half an end":                {remade(info, frame(frameEnd, "\x00\x00")), Damaged},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Read(bytes.NewReader(tt.file), new(content)); codeOf(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A failure of what is below is no fault of the file.
func TestFailuresBelow(t *testing.T) {
	broken := errors.New("broken")
	file := sample(t)
	for _, n := range []int{0, 3, 30, 5000, len(file) - 3, len(file)} {
		r := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken))
		if _, err := Read(r, new(content)); !errors.Is(err, broken) {
			t.Errorf("reading fails after %d bytes: got %v", n, err)
		}
	}
	w, err := NewWriter(io.Discard, Info{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Module(Digest{}, 10, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := w.Row(kv.Item{Value: make([]byte, maxFrame)}); err == nil {
		t.Error("an item that no reader takes was written")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add(sample(f)[:300])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, file []byte) {
		n, err := Read(bytes.NewReader(file), new(content))
		if err == nil && n.Bytes != int64(len(file)) {
			t.Errorf("%d bytes are counted of %d", n.Bytes, len(file))
		}
		if err != nil && codeOf(err) == "" {
			t.Errorf("no code: %v", err)
		}
	})
}
