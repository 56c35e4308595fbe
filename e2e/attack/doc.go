// Package attack holds the modules that want to hurt the host, and the tests that send them.
//
// It owns a corpus written for this, most of it made by generators, for every row of the threat table
// that is about uploading and running guests. The tests start a real host, send the corpus from one
// namespace and watch a guest of another: each answer is the one expected, the process lives, the
// victim is answered, and what an attack took is given back.
//
// TestNoisyNeighbours does everything at once: what all of them cost a neighbour together. Another load is honest, only too much: the host is asked for a multiple of what it can do.
//
// Its short form is part of the suite and asserts verdicts, not times: on a busy machine it waits where
// the host says that it is busy. The long form has every bomb in every place, measures, and writes
// docs/attack.md; make attack runs it.
package attack
