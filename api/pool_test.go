package api

import (
	"sync"
	"testing"
)

// Who takes all it can leaves some for the next, however many there are.
func TestPoolIsShared(t *testing.T) {
	p := pool[int]{max: 1000}
	for i, want := range []int64{500, 250, 125, 63} {
		for p.take(i, 1) {
		}
		if got := p.by[i]; got != want {
			t.Errorf("%d after those before it: %d, want %d", i, got, want)
		}
	}
	p.give(0, 500)
	for p.take(1, 1) {
	}
	if got := p.by[1]; got != 406 {
		t.Errorf("when the first has gone the second has %d, want 406", got)
	}
}

func TestPoolBounds(t *testing.T) {
	tests := []struct {
		name string
		max  int64
		took []int64 // by one
		n    int64
		want bool
	}{
		{"the only one", 1, nil, 1, true},
		{"one more than there is", 1, []int64{1}, 1, false},
		{"all at once", 10, nil, 10, true},
		{"more than all", 10, nil, 11, false},
		{"half", 10, []int64{1, 1, 1, 1}, 1, true},
		{"more than half", 10, []int64{1, 1, 1, 1, 1}, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pool[string]{max: tt.max}
			for _, n := range tt.took {
				if !p.take("a", n) {
					t.Fatalf("%d are not to be had", n)
				}
			}
			if got := p.take("a", tt.n); got != tt.want {
				t.Errorf("take(%d) = %v", tt.n, got)
			}
		})
	}
	p := pool[string]{max: 10}
	if p.owe("a", 15); p.take("b", 1) {
		t.Error("there is some beside a debt")
	}
	if p.give("a", 15); !p.take("b", 1) || len(p.by) != 1 {
		t.Errorf("after it is paid: %v", p.by)
	}
}

// HammerPool: never more than there is, and all of it comes back.
func TestHammerPool(t *testing.T) {
	p := pool[int]{max: 64}
	var wg sync.WaitGroup
	for who := range 8 {
		wg.Go(func() {
			for n := range int64(2_000) {
				if n = n%9 + 1; p.take(who, n) {
					if got := p.taken(); got > 64 {
						t.Errorf("%d of 64 are taken", got)
					}
					p.give(who, n)
				}
			}
		})
	}
	wg.Wait()
	if p.taken() != 0 || len(p.by) != 0 {
		t.Errorf("%d are left by %v", p.taken(), p.by)
	}
}
