package spectest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Value is an argument or a wanted result.
type Value struct {
	Type string          `json:"type"`
	Lane string          `json:"lane_type"`
	Raw  json.RawMessage `json:"value"`
}

// Words returns how many uint64 a value of v's type takes in the engine's interface.
func (v Value) Words() int {
	if v.Type == "v128" {
		return 2
	}
	return 1
}

// Arg returns v as the engine's interface takes it.
func (v Value) Arg() []uint64 {
	lanes, bits := v.lanes()
	words := make([]uint64, v.Words())
	for i, l := range lanes {
		n, _ := parse(l, v.Type, bits)
		words[i*bits/64] |= n << (i * bits % 64)
	}
	return words
}

// Equal reports whether got, as the engine's interface gives it, is what v wants.
func (v Value) Equal(got []uint64) bool {
	if v.anyRef() {
		return true
	}
	lanes, bits := v.lanes()
	for i, l := range lanes {
		g := got[i*bits/64] >> (i * bits % 64)
		if bits < 64 {
			g &= 1<<bits - 1
		}
		want, nan := parse(l, v.Type, bits)
		if nan != "" {
			if !isNaN(g, bits, nan) {
				return false
			}
		} else if g != want && !(v.float() && isNaN(g, bits, "") && isNaN(want, bits, "")) {
			return false
		}
	}
	return true
}

// String returns v for messages.
func (v Value) String() string { return fmt.Sprintf("%s%s:%s", v.Type, v.Lane, v.Raw) }

// anyRef reports whether v is a reference that the suite leaves open.
func (v Value) anyRef() bool { return strings.HasSuffix(v.Type, "ref") && len(v.Raw) == 0 }

func (v Value) float() bool {
	return v.Type[0] == 'f' && v.Type != "funcref" || v.Type == "v128" && v.Lane[0] == 'f'
}

// lanes returns the numbers of v, of which one that is no vector has one, and their width.
func (v Value) lanes() (lanes []string, bits int) {
	if v.Type == "v128" {
		bits, _ = strconv.Atoi(v.Lane[1:])
		if json.Unmarshal(v.Raw, &lanes) != nil {
			panic("spectest: malformed vector")
		}
		return lanes, bits
	}
	var s string
	if len(v.Raw) > 0 && json.Unmarshal(v.Raw, &s) != nil {
		panic("spectest: malformed value")
	}
	if strings.HasSuffix(v.Type, "32") {
		return []string{s}, 32
	}
	return []string{s}, 64
}

// parse returns the bits of a number, or which NaNs are meant.
func parse(s, typ string, bits int) (n uint64, nan string) {
	switch {
	case s == "null" || s == "":
		return 0, ""
	case strings.HasPrefix(s, "nan"):
		return 0, s
	case strings.HasPrefix(s, "-"):
		i, _ := strconv.ParseInt(s, 10, 64)
		n = uint64(i)
		if bits < 64 {
			n &= 1<<bits - 1
		}
		return n, ""
	}
	n, _ = strconv.ParseUint(s, 10, 64)
	if typ == "externref" {
		n++ // the engine takes zero as null
	}
	return n, ""
}

// isNaN reports whether g is a NaN of a kind: canonical, arithmetic or, if kind is empty, any.
func isNaN(g uint64, bits int, kind string) bool {
	var f float64
	quiet, sign := uint64(1)<<51, uint64(1)<<63
	if bits == 32 {
		f = float64(math.Float32frombits(uint32(g)))
		quiet, sign = 1<<22, 1<<31
	} else {
		f = math.Float64frombits(g)
	}
	if !math.IsNaN(f) {
		return false
	}
	switch kind {
	case "nan:canonical":
		return g&^sign&(quiet<<1-1) == quiet
	case "nan:arithmetic":
		return g&quiet != 0
	}
	return true
}
