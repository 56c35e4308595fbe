// Package testbed says what measurements were taken on, for the pages that show them.
//
// It owns the reading of Linux's files about the machine. Its one invariant: it never fails. What the system does not tell
// is empty, and a page goes without it.
package testbed

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Model names the processor.
func Model() string { return model(read("cpuinfo")) }

// model returns the first model name that there is.
func model(info string) string {
	for line := range strings.Lines(info) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Processors counts the processors, and names them.
func Processors() string {
	n := fmt.Sprintf("%d processors", runtime.NumCPU())
	if m := Model(); m != "" {
		n += " (" + m + ")"
	}
	return n
}

// Kernel names the kernel's release.
func Kernel() string { return strings.TrimSpace(read("sys/kernel/osrelease")) }

// Load is how busy the machine was over the last 1, 5 and 15 minutes.
func Load() (average [3]string) {
	copy(average[:], strings.Fields(read("loadavg")))
	return average
}

func read(file string) string {
	b, _ := os.ReadFile("/proc/" + file) // elsewhere there is none
	return string(b)
}
