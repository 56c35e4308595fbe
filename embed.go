// Package vivarium is the source text that the host hands out: the guest SDK and the example that
// new projects start from.
//
// It exists so that one binary can build a guest anywhere, without the module of the host and its
// dependencies; packages guest-sdk/guestbuild and cmd/host use it. It holds no code. Its one
// invariant is that Source is complete: the files below Source alone, with the Extism PDK, build.
package vivarium

import "embed"

// Module is the import path of this module, which the supplied SDK takes over.
const Module = "github.com/vivarium-run/vivarium"

// Source holds, under their paths in this repository, the Go files that a guest is built from and
// the counter example. Tests are left out. Files are named one by one because go:embed
// cannot leave any out; a test compares them with the folders.
//
//go:embed hostfuncs/abi/code.go hostfuncs/abi/doc.go hostfuncs/abi/documents.go hostfuncs/abi/envelope.go hostfuncs/abi/error.go
//go:embed hostfuncs/abi/limits.go hostfuncs/abi/manifest.go hostfuncs/abi/page.go
//go:embed guest-sdk/action.go guest-sdk/actor.go guest-sdk/args.go guest-sdk/create.go guest-sdk/ctx.go
//go:embed guest-sdk/doc.go guest-sdk/errors.go guest-sdk/exports_wasip1.go guest-sdk/imports_wasip1.go
//go:embed guest-sdk/kv.go guest-sdk/log.go guest-sdk/schema.go guest-sdk/turn.go
//go:embed guest-sdk/internal/hostcall/hostcall.go guest-sdk/internal/memhost/memhost.go
//go:embed guest-sdk/internal/schema/fields.go guest-sdk/internal/schema/schema.go guest-sdk/internal/schema/special.go
//go:embed guest-sdk/guesttest/guesttest.go
//go:embed examples/wasm/counter/main.go
var Source embed.FS
