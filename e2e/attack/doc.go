// Package attack holds the modules that want to hurt the host, and the tests that send them.
//
// It owns a corpus written for this, most of it made by generators, for every row of the threat table
// that is about uploading and running guests. The tests start a real host, send the corpus from one
// namespace and watch a guest of another: each answer is the one expected, the process lives, the
// victim is answered, and what an attack took is given back.
//
// The suite asserts verdicts; it is run by make attack, as long as one of its uploads is now and then
// answered 500 on a busy machine. Times come from the long form, which writes docs/attack.md:
//
//	go test -tags attack ./e2e/attack -attack.long -timeout 60m
package attack
