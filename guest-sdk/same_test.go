package guest

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"
)

type flatState struct {
	Count int
	Name  string
	At    [2]struct{ X, Y float64 }
}

type marshaled struct{ N int }

func (*marshaled) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

func TestIsFlat(t *testing.T) {
	for _, v := range []any{0, "", flatState{}, [3]bool{}, struct{}{}, time.Duration(0)} {
		if !isFlat(reflect.TypeOf(v)) {
			t.Errorf("%T is not flat", v)
		}
	}
	for _, v := range []any{[]int{}, map[string]int{}, new(int), time.Time{}, marshaled{}, struct{ M marshaled }{}, struct{ P *int }{}, json.RawMessage{}, uintptr(0), 1i} {
		if isFlat(reflect.TypeOf(v)) {
			t.Errorf("%T is flat", v)
		}
	}
	if isFlat(reflect.TypeFor[any]()) {
		t.Error("an interface is flat")
	}
}

// FuzzSame holds it to what the encoding says: what is the same has the same JSON.
func FuzzSame(f *testing.F) {
	f.Add(1, "a", 0.5, 1, "a", 0.5)
	f.Add(1, "a", 0.0, 1, "a", math.Copysign(0, -1))
	f.Fuzz(func(t *testing.T, n int, s string, x float64, m int, r string, y float64) {
		before := flatState{Count: n, Name: s}
		before.At[1].X = x
		shot := snapshot[flatState]{flat: true}
		if shot.same(&before) {
			t.Error("something is the same as nothing")
		}
		shot.take(&before)
		if copied := before; !shot.same(&copied) {
			t.Error("a copy is not the same")
		}
		now := flatState{Count: m, Name: r}
		now.At[1].X = y
		a, _ := json.Marshal(before)
		b, _ := json.Marshal(now)
		if shot.same(&now) && string(a) != string(b) {
			t.Errorf("%s and %s are the same", a, b)
		}
	})
}
