// Package wasm reads and writes the binary format of WebAssembly modules.
//
// It owns the encodings (LEB128, sections, instructions with their immediates) and the table of the
// instructions that a guest may use: the core specification 2.0, which is MVP, sign extension,
// saturating conversions, bulk memory, reference types, multi-value and SIMD. It leaves what the
// bytes mean, and what is too much, to packages validate and meter.
//
// Its one invariant: no input makes it panic, recurse, or allocate more than a constant.
package wasm
