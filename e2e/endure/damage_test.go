package endure

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
)

var (
	damageAll  = flag.Bool("damage.all", false, "damage every file in every way, and print what came of it")
	damageSeed = flag.Int64("damage.seed", 0, "where files are damaged; zero picks a seed")
)

// spoil is a way to damage a file.
type spoil struct {
	name string
	do   func(path string, r *rand.Rand) error
}

var spoils = []spoil{
	{"a byte at the begin", func(path string, r *rand.Rand) error {
		return flipAt(path, func(n int) int { return min(n-1, r.Intn(24)) })
	}},
	{"a byte somewhere", func(path string, r *rand.Rand) error { return flipAt(path, func(n int) int { return r.Intn(n) }) }},
	{"a byte at the end", func(path string, r *rand.Rand) error {
		return flipAt(path, func(n int) int { return n - 1 - r.Intn(min(n, 24)) })
	}},
	{"cut off", func(path string, r *rand.Rand) error { return cutAt(path, func(n int) int { return r.Intn(n) }) }},
	{"empty", func(path string, r *rand.Rand) error { return cutAt(path, func(int) int { return 0 }) }},
	{"gone", func(path string, _ *rand.Rand) error { return os.Remove(path) }},
	{"garbage behind it", func(path string, r *rand.Rand) error {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		b := make([]byte, 1+r.Intn(5000))
		r.Read(b)
		_, err = f.Write(b)
		return err
	}},
}

// content returns where what was written of a file ends: logs of the store are longer, and zero behind that.
func content(path string) (int, error) {
	b, err := os.ReadFile(path)
	return len(bytes.TrimRight(b, "\x00")), err
}

func flipAt(path string, at func(n int) int) error {
	n, err := content(path)
	if err != nil || n == 0 {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	i := int64(at(n))
	if _, err := f.ReadAt(b[:], i); err != nil {
		return err
	}
	b[0] ^= 0x41
	_, err = f.WriteAt(b[:], i)
	return err
}

func cutAt(path string, at func(n int) int) error {
	n, err := content(path)
	if err != nil || n == 0 {
		return err
	}
	return os.Truncate(path, int64(at(n)))
}

// Counters of the folder that is damaged: actor i was called i+1 times.
const counters = 24

// stored makes a data folder, of a host that was stopped or killed.
func stored(t *testing.T, killed bool) *host {
	t.Helper()
	h := newHost(t)
	h.Start()
	c := h.client(h.Token("admin", "default"))
	upload := client.Request{Method: "PUT", Path: "/modules/plugin", ContentType: "application/wasm", Body: actorstest.Guest(t, "examples/wasm/extism-as")}
	if err := ask(t.Context(), c, upload); err != nil {
		t.Fatal(err)
	}
	for i := range counters {
		for range i + 1 {
			if err := client.Do(t.Context(), c.GetOrCreate("plugin", fmt.Sprint(i)), "count"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if killed {
		h.Kill()
	} else if code := h.Stop(); code != 0 {
		t.Fatal(h.Printed())
	}
	return h
}

// files lists what is in a data folder, each by its kind.
func files(t *testing.T, data string) (paths, kinds []string) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(data, path)
			paths, kinds = append(paths, rel), append(kinds, kindOf(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths, kinds
}

var digits = regexp.MustCompile(`[0-9a-f]{64}|[0-9]{5,}`)

// kindOf names the kind of a file: numbers and digests say nothing.
func kindOf(rel string) string {
	rel = regexp.MustCompile(`wazero-[^/]*`).ReplaceAllString(filepath.ToSlash(rel), "…")
	return digits.ReplaceAllString(rel, "N")
}

// copyOf returns a host on a copy of the data of another.
func (h *host) copyOf(t *testing.T) *host {
	t.Helper()
	c := newHost(t)
	if out, err := exec.Command("cp", "-a", h.Data, c.Data).CombinedOutput(); err != nil { // it keeps holes
		t.Fatalf("%v: %s", err, out)
	}
	return c
}

// Whatever is damaged of what a host keeps, it has the right data or says clearly that it has not: it never answers
// with wrong data, ends with a trace, or hangs.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	seed := *damageSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("replay with -damage.seed=%d", seed)
	r := rand.New(rand.NewSource(seed))
	type one struct {
		from       *host
		state      string
		path, kind string
		spoil
	}
	var list []one
	for state, killed := range map[string]bool{"stopped": false, "killed": true} {
		h := stored(t, killed)
		paths, kinds := files(t, h.Data)
		for i, path := range paths {
			for _, s := range spoils {
				list = append(list, one{h, state, path, kinds[i], s})
			}
		}
	}
	slices.SortFunc(list, func(a, b one) int { return strings.Compare(a.state+a.path+a.name, b.state+b.path+b.name) })
	if !*damageAll {
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:shortDamages]
	}
	for _, d := range list {
		t.Run(d.state+"/"+d.kind+"/"+d.name, func(t *testing.T) {
			h := d.from.copyOf(t)
			if err := d.do(filepath.Join(h.Data, filepath.FromSlash(d.path)), r); err != nil {
				t.Fatal(err)
			}
			found := h.judge(d.state == "killed" && strings.HasSuffix(d.path, ".mem"))
			if *damageAll {
				t.Logf("| %s | %s | %s | %s |", d.state, d.kind, d.name, found)
			}
		})
	}
}

// shortDamages is how many damages the suite tries.
const shortDamages = 6

// judge says what becomes of a host on a damaged folder. older lets it have forgotten the end of its log.
func (h *host) judge(older bool) string {
	t := h.t
	out, code := h.TryRun("verify", "--data", h.Data)
	checked := "sound"
	if code != 0 {
		checked = "verify " + codesOf(out)
	}
	if noTrace(out); code != 0 && code != 1 && code != 3 || code != 0 && checked == "verify " {
		t.Errorf("host verify ended with %d: %s", code, out)
	}
	h.Begin()
	if err := h.AwaitReady(); err != nil {
		if !h.Ended() {
			t.Errorf("it hangs: %v", err)
			return "hangs"
		}
		said := h.Printed()
		if exit := h.Cmd.ProcessState.ExitCode(); exit != 1 && exit != 3 || !noTrace(said) || strings.TrimSpace(said) == "" {
			t.Errorf("it ended with %d: %s", exit, said)
		}
		if code == 0 {
			t.Errorf("host verify finds nothing, and the host does not start: %s", said)
		}
		return checked + "; does not start, " + lastLine(said)
	}
	answers := h.counts(older)
	if exit := h.Stop(); exit != 0 || !noTrace(h.Printed()) {
		t.Errorf("it ended with %d: %s", exit, h.Printed())
	}
	return checked + "; " + answers
}

// counts asks every counter, and says what they answered: the right number, or which error.
func (h *host) counts(older bool) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := h.client(h.Token("admin", "default"))
	got := map[string]int{}
	for i := range counters {
		n, err := client.Call[int](ctx, c.Get("plugin", fmt.Sprint(i)), "count")
		var e *client.Error
		switch {
		case err == nil && n == i+2, err == nil && older && n < i+2:
			got["right"]++
		case err == nil:
			h.t.Errorf("counter %d says %d, want %d", i, n, i+2)
		case older && (client.Is(err, "actor/not_found") || client.Is(err, "module/not_found")):
			got["forgotten"]++
		case errors.As(err, &e) && e.Status >= 500:
			got[e.Group+"/"+e.Code]++
		default:
			h.t.Errorf("counter %d: %v", i, err)
		}
	}
	return fmt.Sprint(got)
}

// noTrace reports whether a text has no trace of a crash in it.
func noTrace(text string) bool {
	return !strings.Contains(text, "panic:") && !strings.Contains(text, "goroutine ") && !strings.Contains(text, "fatal error:") && !strings.Contains(text, "SIGSEGV") && !strings.Contains(text, "SIGBUS")
}

var codeWord = regexp.MustCompile(`\b(store|tenants|module|actor|data)/[a-z_]+\b`)

// codesOf returns the codes that a command printed.
func codesOf(out string) string {
	codes := codeWord.FindAllString(out, -1)
	slices.Sort(codes)
	return strings.Join(slices.Compact(codes), " ")
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
