package main

import (
	"os"
	"runtime"
	"sync"
)

// processors returns how many processors the process may use, and lets Go run twice as many threads. A guest
// cannot be interrupted before it asks for gas. If one ran on each of Go's threads, every step of the work
// between them, of which an answer takes many, would wait for the end of somebody's quantum; with threads
// to spare the kernel gives that step the processor at once.
//
// If GOMAXPROCS is set, that is how many guests and threads there are.
var processors = sync.OnceValue(func() int {
	n := runtime.GOMAXPROCS(0) // which knows the limits of a container
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * n)
	}
	return n
})
