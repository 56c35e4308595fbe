//go:build !linux

package compile

import "os"

// self is this executable.
var self, _ = os.Executable()

func networkNamespace() string { return "" }

// launch becomes the worker at once: there are no namespaces here.
func launch(j job) { confine(j) }

// confine sets the limits that there are and goes on in the same process.
func confine(j job) {
	setPortableLimits(j)
	work(j)
}

func lookAround(j job) Protections {
	s := j.Seen
	s.Deadline = true // the host's part
	lookAtLimits(j, &s)
	return s
}

func restrictCalls() error { return nil }

func tryForbidden(*Protections) {}
