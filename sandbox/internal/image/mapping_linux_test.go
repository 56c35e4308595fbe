package image

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func newTestImage(t testing.TB, a *Arena, size, max uint32) *Image {
	t.Helper()
	content := make([]byte, size*WasmPageSize)
	for i := 0; i < len(content); i += 3 * PageSize { // every third page, the others are holes
		content[i+7] = byte(i>>12) | 1
	}
	im, err := a.New(Spec{Memory: content, MaxWasmPages: max})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

// TestSealed tries to change an image by its descriptor.
func TestSealed(t *testing.T) {
	im := newTestImage(t, NewArena(Config{}), 1, 4)
	fd := im.backing.(*sealedImage).fd
	_, errWrite := unix.Pwrite(fd, []byte{1}, 0)
	_, errMap := unix.Mmap(fd, 0, PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	_, errSeal := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
	for what, err := range map[string]error{
		"write":      errWrite,
		"map":        errMap,
		"shrink":     unix.Ftruncate(fd, PageSize),
		"grow":       unix.Ftruncate(fd, 1<<30),
		"punch":      unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, PageSize),
		"more seals": errSeal,
	} {
		if err != unix.EPERM {
			t.Errorf("%s: %v, want EPERM", what, err)
		}
	}
}

// TestResidentBytes shows what touching holes costs.
func TestResidentBytes(t *testing.T) {
	im := newTestImage(t, NewArena(Config{}), 2, 64)
	if got, want := im.ResidentBytes(), im.StoredBytes(); got != want {
		t.Errorf("%d bytes resident at first, want %d", got, want)
	}
	var ms [3]*Memory
	for k := range ms {
		ms[k], _ = im.NewMemory()
		b := ms[k].ram.grow(64 * WasmPageSize)
		for i := 0; i < len(b); i += PageSize {
			b[i]++
		}
	}
	if got, want := im.ResidentBytes(), int64(64*WasmPageSize); got > want {
		t.Errorf("%d bytes resident after three memories were filled, want at most %d", got, want)
	}
	for _, m := range ms {
		m.Close()
	}
}

// TestPagemapSeesAll compares what the kernel says with what was done.
func TestPagemapSeesAll(t *testing.T) {
	if pagemap() == nil {
		t.Skip("no page map here")
	}
	r := rand.New(rand.NewPCG(3, 4))
	im := newTestImage(t, NewArena(Config{}), 16, 16)
	m, err := im.NewMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for range 50 {
		var want []uint32
		for i := range uint32(16 * pagesPerWasmPage) {
			switch r.IntN(5) {
			case 0:
				m.Page(i)[r.IntN(PageSize)] ^= 0x80
				want = append(want, i)
			case 1:
				_ = bytes.Count(m.Page(i), []byte{1}) // only read
			case 2:
				m.Page(i)[9] = m.Page(i)[9] // written, not changed
			}
		}
		got, err := m.Changed(nil)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("Changed = %v, %v, want %v", got, err, want)
		}
		if err := m.Reset(); err != nil {
			t.Fatal(err)
		}
		if got, _ := m.Changed(nil); len(got) != 0 {
			t.Fatalf("changed after Reset: %v", got)
		}
	}
}

// TestWithoutPagemap takes the ways that are left when the kernel says nothing.
func TestWithoutPagemap(t *testing.T) {
	saved := pagemap
	pagemap = func() *os.File { return nil }
	defer func() { pagemap = saved }()
	im := newTestImage(t, NewArena(Config{}), 2, 4)
	m, err := im.NewMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.Page(5)[1] = 1
	m.Page(31)[1] = 1
	if got, _ := m.Changed(nil); !slices.Equal(got, []uint32{5, 31}) {
		t.Errorf("Changed = %v, want 5 and 31", got)
	}
	if err := m.Reset(); err != nil {
		t.Fatal(err)
	}
	if got, _ := m.Changed(nil); len(got) != 0 {
		t.Errorf("changed after Reset: %v", got)
	}
}

// TestKeepBytes counts the private pages that a reset memory holds.
func TestKeepBytes(t *testing.T) {
	if pagemap() == nil {
		t.Skip("no page map here")
	}
	for _, tt := range []struct{ keep, want int }{{0, 64}, {10 * PageSize, 10}, {-1, 0}} {
		im := newTestImage(t, NewArena(Config{KeepBytes: tt.keep}), 8, 8)
		m, err := im.NewMemory()
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint32(8 * pagesPerWasmPage) {
			m.Page(i)[0] = 1
		}
		if err := m.Reset(); err != nil {
			t.Fatal(err)
		}
		got := 0
		m.ram.touched(8*pagesPerWasmPage, func(lo, hi int) { got += hi - lo })
		if got != tt.want {
			t.Errorf("KeepBytes %d: %d private pages after Reset, want %d", tt.keep, got, tt.want)
		}
		m.Close()
	}
}

// TestKernelRefuses runs out of address space, in a process of its own.
func TestKernelRefuses(t *testing.T) {
	const child = "IMAGE_TEST_ADDRESS_SPACE"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKernelRefuses$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestKernelRefuses") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	a := NewArena(Config{MaxWasmPages: wasmPagesOf32Bit})
	im := newTestImage(t, a, 1, wasmPagesOf32Bit)
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &lim); err != nil {
		t.Fatal(err)
	}
	lim.Cur = addressSpace(t) + 10<<30
	if err := unix.Setrlimit(unix.RLIMIT_AS, &lim); err != nil {
		t.Fatal(err)
	}
	before := a.Stats()
	var ms []*Memory
	for len(ms) < 5 {
		m, err := im.NewMemory()
		if err != nil {
			if !errors.Is(err, ErrExhausted) || !errors.Is(err, unix.ENOMEM) {
				t.Errorf("error %v, want ErrExhausted and ENOMEM", err)
			}
			break
		}
		ms = append(ms, m)
	}
	if len(ms) != 2 {
		t.Errorf("%d memories of 4 GiB in 10 GiB, want 2", len(ms))
	}
	if _, err := a.Bare(wasmPagesOf32Bit); !errors.Is(err, ErrExhausted) {
		t.Errorf("Bare: %v, want ErrExhausted", err)
	}
	for _, m := range ms {
		m.Close()
	}
	if got := a.Stats(); got != before {
		t.Errorf("%+v, want %+v", got, before)
	}
}

func addressSpace(t *testing.T) uint64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var pages uint64
	for _, c := range strings.Fields(string(b))[0] {
		pages = pages*10 + uint64(c-'0')
	}
	return pages * uint64(os.Getpagesize())
}
