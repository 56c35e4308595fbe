// Package density holds the tests about what grows with what: a million sleeping actors in one store, and what an
// increment costs beside much that has nothing to do with it.
//
// It owns the making of large stores, the measurements at the host's process from outside, and the page
// docs/density.md, which make density writes. The short form is part of the suite: it asserts verdicts about a few thousand
// actors, and no times. What a host holds after hours of load is for e2e/endure.
//
// Its one invariant is that of two sizes each measurement is taken in turn, in the same run: what else the machine does
// falls on both.
package density
