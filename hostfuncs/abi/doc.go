// Package abi is the contract between the host and its guests: names, numbers, limits and wire forms.
//
// It imports only the standard library, so that the guest SDK can be built from it without any part
// of the host. Everything in it is append-only: a number or name that a guest was built with keeps
// its meaning. The prose form of the contract, for authors of SDKs, is guest-sdk/ABI.md.
package abi
