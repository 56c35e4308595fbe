package guest

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unsafe"
)

type named int8

func (named) String() string { return "not JSON" }

type inner struct {
	X, Y uint32
	None struct{} `json:"none"`
}

type laidOut struct {
	Count  int `json:"count"`
	hidden string
	Skip   string `json:"-"`
	Text   string `json:"text_1"`
	In     inner  `json:"in"`
	Flag   bool
	A      int8
	B      int16
	C      int32
	D      int64
	E      uint
	F      uint8
	G      uint16
	H      uint64
	Named  named         `json:""`
	Took   time.Duration `json:"took" bson:"x"`
	Last   inner
}

// What is laid out, and what encoding/json decides about.
func TestLayoutOf(t *testing.T) {
	for _, v := range []any{laidOut{}, inner{}, struct{}{}, struct{ A int }{}, struct{ hidden int }{}} {
		if layoutOf(reflect.TypeOf(v)) == nil {
			t.Errorf("%T is not laid out", v)
		}
	}
	for _, v := range []any{
		0, "", [2]int{}, time.Time{}, marshaled{}, struct{ A []int }{}, struct{ A *int }{}, struct{ A [2]int }{}, struct{ A float64 }{}, struct{ A any }{},
		struct{ A json.Number }{}, struct{ M marshaled }{}, struct{ inner }{},
		struct {
			A int `json:"a,omitempty"`
		}{},
		struct {
			A int `json:"a,string"`
		}{},
		struct {
			A int `json:"a.b"`
		}{},
		struct {
			A int `json:"é"`
		}{},
		struct {
			A int `json:"<"`
		}{},
	} {
		if layoutOf(reflect.TypeOf(v)) != nil {
			t.Errorf("%T is laid out", v)
		}
	}
	number := reflect.TypeFor[int]()
	for _, tags := range [][2]reflect.StructTag{{`json:"same"`, `json:"same"`}, {`json:"B"`, ""}, {`json:"-,"`, ""}} {
		odd := reflect.StructOf([]reflect.StructField{{Name: "A", Type: number, Tag: tags[0]}, {Name: "B", Type: number, Tag: tags[1]}})
		if layoutOf(odd) != nil {
			t.Errorf("%v is laid out", odd)
		}
	}
}

// FuzzLayout holds it to encoding/json: the same bytes, or none.
func FuzzLayout(f *testing.F) {
	f.Add(1, "text", true, int64(-1), uint64(1))
	f.Add(-1<<31, "<é\"\\\x00\xff", false, int64(-1<<63), uint64(1<<63))
	f.Fuzz(func(t *testing.T, n int, s string, flag bool, i int64, u uint64) {
		v := laidOut{Count: n, hidden: s, Skip: s, Text: s, In: inner{X: uint32(u), Y: uint32(i)}, Flag: flag, A: int8(i), B: int16(i), C: int32(i), D: i,
			E: uint(u), F: uint8(u), G: uint16(u), H: u, Named: named(n), Took: time.Duration(n), Last: inner{X: 1, Y: uint32(u)}}
		want, err := json.Marshal(&v)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := layoutOf(reflect.TypeOf(v)).append([]byte("x"), unsafe.Pointer(&v))
		if ok != isPlain(s) {
			t.Fatalf("%q is plain: %v, encoded: %v", s, isPlain(s), ok)
		}
		if ok && string(got) != "x"+string(want) || !ok && string(got) != "x" {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
