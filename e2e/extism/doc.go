// Package extism runs the plug-ins that Extism tests its own Go host with on ours.
//
// It owns which of them must be taken and which refused, and why. It has no code but its tests; the
// plug-ins come from the module that the folder plugins names.
//
// Its one invariant: no plug-in of others is our fault. Each is taken and answers, or is refused with the
// reason named.
package extism
