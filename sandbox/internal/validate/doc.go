// Package validate looks at an uploaded module before the engine sees a byte of it.
//
// It owns the question whether a module may be handed on: each count is checked against the bytes
// that are left and against a limit, and everything that package meter relies on is checked: the
// shape of sections, the nesting of blocks, the range of each index. It leaves the types of operands
// to the engine, which checks them in a process that may be killed.
//
// Its one invariant: time and memory are linear in the input, whatever the input claims. The limits
// answer measured attacks: the engine reserves what a count declares (a module of 25 bytes makes it
// ask for 309 GB, which ends the process) and its compiler is superlinear in nesting and in values
// that live across many blocks (100 KB compile for minutes).
package validate
