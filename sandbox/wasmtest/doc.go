// Package wasmtest builds Wasm modules for tests, byte by byte where a test wants to lie.
//
// It owns three levels: a Module, which is encoded as the specification says; Code, which is a
// sequence of instructions; and the pieces that both are made of (U32, S64, Vec, Section), from which
// a test puts together what no compiler would write. It checks nothing: what is built may be invalid.
//
// Its one invariant: the same calls give the same bytes.
package wasmtest
