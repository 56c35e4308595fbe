// Package inprocess holds Go benchmarks of turns without HTTP: a store on disk, the registry, the
// sandbox and a real guest in one process, so that -cpuprofile and -memprofile see everything
// between the mailbox and the disk.
//
//	go test ./bench/inprocess -run '^$' -bench Increment/callers=32 -cpuprofile cpu.prof
//
// It owns no code but its tests; commands bench and floor measure what a client sees.
package inprocess
