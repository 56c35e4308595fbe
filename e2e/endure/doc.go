// Package endure holds the tests that wear a host out: hours of load, kills under load, and damage to its files.
//
// It owns what a host in a process of its own must be after all that. The soak counts what the process holds and
// keeps on disk, and wants it flat; the crash test kills the process at any moment and looks for what it had
// acknowledged; the damage test spoils files and wants the right data or a clear refusal. What a kill does at a
// known step of a turn is for package actors/model, what it does to the store alone for kv/badgerkv, and what damage
// does to the memories of sleeping actors for sandbox/internal/image.
//
// Its one invariant is that it judges by what a client, a command or the system can see: nothing of the host is
// replaced, and no part of it is asked what is right.
package endure
