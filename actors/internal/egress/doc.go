// Package egress is the way by which guests reach the network: an HTTP client that goes only where
// it may.
//
// It owns what a pattern of an allowed host means, which addresses of the internet are public, the
// client's connections, what a request may carry and what an answer may cost, and the place where
// secrets enter headers and are taken out of what comes back. It leaves to its caller who may ask,
// what a turn may fetch, which lists and secrets belong to a namespace, and what is charged.
//
// One invariant rules the package: no connection is opened for a guest unless the name was allowed
// by every list of its [Policy] and the address, as it is after name resolution and right before
// the connect, is a public one of another machine (or loopback that the operator listed by name).
// That holds for each hop of a redirect and for each address of a name that has several.
package egress
