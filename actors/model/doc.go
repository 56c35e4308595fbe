// Package model holds the tests that compare a whole host with what it must be.
//
// It owns two of them. The model test runs random operations against a host and against plain maps, and
// compares all that is stored after each restart and each kill. The crash test kills the process at each
// step of each kind of work, and looks at what is left. Both leave single features to the tests of package
// actors, and single deltas to those of package kv.
//
// A new kind of operation is one file: a step of a scripted turn (see steps_kv_test.go) or a job, which is a
// request of its own (see jobs_plain_test.go), and a word in the list that it belongs to.
//
// Its one invariant is that the model never asks the host what is right: it knows from the seed.
package model
