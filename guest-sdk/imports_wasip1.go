//go:build wasip1

package guest

import (
	"unsafe"

	pdk "github.com/extism/go-pdk"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// The imports of module vivarium. A string travels as pointer and length.

//go:wasmimport vivarium input_len
func inputLen() uint32

//go:wasmimport vivarium input_read
func inputRead(p unsafe.Pointer, n uint32) uint32

//go:wasmimport vivarium output
func output(b string)

//go:wasmimport vivarium result_len
func resultLen() uint32

//go:wasmimport vivarium result_read
func resultRead(p unsafe.Pointer, n uint32) uint32

//go:wasmimport vivarium state_get
func stateGet() int64

//go:wasmimport vivarium state_set
func stateSet(state string) int64

//go:wasmimport vivarium kv_get
func kvGet(key string) int64

//go:wasmimport vivarium kv_put
func kvPut(key, value string) int64

//go:wasmimport vivarium kv_delete
func kvDelete(key string) int64

//go:wasmimport vivarium kv_list
func kvList(lo, hi, cursor string, limit, flags int64) int64

//go:wasmimport vivarium kv_delete_range
func kvDeleteRange(lo, hi string, limit, flags int64) int64

//go:wasmimport vivarium kv_get_batch
func kvGetBatch(keys string) int64

//go:wasmimport vivarium kv_put_batch
func kvPutBatch(items string) int64

//go:wasmimport vivarium kv_delete_batch
func kvDeleteBatch(keys string) int64

//go:wasmimport vivarium broadcast
func broadcast(event, payload string) int64

//go:wasmimport vivarium self
func self() int64

//go:wasmimport vivarium log
func hostLog(level int64, text string) int64

//go:wasmimport vivarium now
func now() int64

//go:wasmimport vivarium random
func random(n int64) int64

func init() { hostcall.Current = &imports{in: make([]byte, 0, firstBuffer)} }

// imports is the real host.
type imports struct {
	in []byte // the turn's envelope, kept from turn to turn
}

var _ hostcall.Host = (*imports)(nil)

func (m *imports) Input() []byte {
	n := int(inputLen())
	b := m.in
	if n > cap(b) {
		b = make([]byte, n)
		if n <= keepBuffer {
			m.in = b
		}
	}
	b = b[:n]
	if n > 0 {
		b = b[:inputRead(unsafe.Pointer(unsafe.SliceData(b)), uint32(n))]
	}
	return b
}

func (*imports) Output(b []byte) { output(view(b)) }

func (*imports) StateGet() ([]byte, bool, error)        { return fetch(stateGet()) }
func (*imports) StateSet(b []byte) error                { return failure(stateSet(view(b))) }
func (*imports) KVGet(key string) ([]byte, bool, error) { return fetch(kvGet(key)) }
func (*imports) KVPut(key string, value []byte) error   { return failure(kvPut(key, view(value))) }
func (*imports) KVDelete(key string) error              { return failure(kvDelete(key)) }
func (*imports) Log(level int64, text string) error     { return failure(hostLog(level, text)) }
func (*imports) Broadcast(event string, p []byte) error { return failure(broadcast(event, view(p))) }
func (*imports) Self() ([]byte, error)                  { return must(fetch(self())) }
func (*imports) Random(n int64) ([]byte, error)         { return must(fetch(random(n))) }

func (*imports) KVList(lo, hi, cursor string, limit, flags int64) ([]byte, error) {
	return must(fetch(kvList(lo, hi, cursor, limit, flags)))
}

func (*imports) KVDeleteRange(lo, hi string, limit, flags int64) (int64, error) {
	return number(kvDeleteRange(lo, hi, limit, flags))
}

func (*imports) KVGetBatch(keys []byte) ([]byte, error) { return must(fetch(kvGetBatch(view(keys)))) }
func (*imports) KVPutBatch(items []byte) error          { return failure(kvPutBatch(view(items))) }
func (*imports) KVDeleteBatch(keys []byte) error        { return failure(kvDeleteBatch(view(keys))) }
func (*imports) Now() (int64, error)                    { return number(now()) }

// Config is read once or twice in an actor's life, so the PDK's way by Extism memory will do.
func (*imports) Config(name string) (string, bool) { return pdk.GetConfig(name) }

// view lends b to a host call, which reads it before it returns.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// fetch returns the bytes of an operation that returned n.
func fetch(n int64) ([]byte, bool, error) {
	if n == abi.Absent {
		return nil, false, nil
	}
	if err := failure(n); err != nil {
		return nil, false, err
	}
	return readResult(int(n)), true, nil
}

func readResult(n int) []byte {
	b := make([]byte, n)
	if n == 0 {
		return b
	}
	return b[:resultRead(unsafe.Pointer(unsafe.SliceData(b)), uint32(n))]
}

// must is for operations that always have a result.
func must(b []byte, _ bool, err error) ([]byte, error) { return b, err }

// number is for operations that return one.
func number(n int64) (int64, error) { return n, failure(n) }

// failure returns the error of an operation that returned n, nil if it did not fail.
func failure(n int64) error {
	if n >= abi.Absent {
		return nil
	}
	return &abi.Error{Code: abi.Code(-n), Message: string(readResult(int(resultLen())))}
}
