// Package tenants knows who: namespaces, tokens, actor identity, modules and their versions.
//
// It leaves what actors do to package actors and bytes to package kv. It is the only maker of
// kv.Space, so no call can name data without naming its owner.
//
// Its one invariant: a Principal speaks for exactly one namespace, or it is the operator; nothing
// here returns a thing of one namespace to the principal of another.
package tenants
