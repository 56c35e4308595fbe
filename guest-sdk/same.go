package guest

import (
	"encoding"
	"encoding/json"
	"reflect"
	"unsafe"
)

// snapshot is a value as it was. It is of use for flat types only: of others a part may change behind a pointer.
type snapshot[S any] struct {
	flat  bool
	taken bool
	value S
}

// take keeps v.
func (s *snapshot[S]) take(v *S) {
	if s.taken = s.flat; s.taken {
		s.value = *v
	}
}

// same reports whether v is for certain what was taken. It compares memory, which is what makes it worth it: to encode a state of one number
// costs 8,000 instructions of Wasm, more than all else that a turn that only reads does. Two equal values may differ in memory; then they are encoded.
func (s *snapshot[S]) same(v *S) bool { return s.taken && memory(v) == memory(&s.value) }

func memory[S any](v *S) string { return unsafe.String((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// isFlat reports whether a value of t is all in its own memory, but for the texts of strings, which do not change,
// and is encoded by that alone.
func isFlat(t reflect.Type) bool {
	for _, m := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if reflect.PointerTo(t).Implements(m) {
			return false
		}
	}
	switch k := t.Kind(); k {
	case reflect.Struct:
		for i := range t.NumField() {
			if !isFlat(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.Array:
		return isFlat(t.Elem())
	default:
		return k == reflect.String || reflect.Bool <= k && k <= reflect.Float64 && k != reflect.Uintptr
	}
}
