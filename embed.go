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
//go:embed guest-sdk/action.go guest-sdk/actor.go guest-sdk/args.go guest-sdk/bind.go guest-sdk/child.go
//go:embed guest-sdk/conn.go guest-sdk/create.go guest-sdk/ctx.go guest-sdk/def.go guest-sdk/doc.go
//go:embed guest-sdk/errors.go guest-sdk/exports_wasip1.go guest-sdk/fetch.go guest-sdk/flat.go guest-sdk/guesttest/client.go
//go:embed guest-sdk/guesttest/guesttest.go guest-sdk/guesttest/life.go guest-sdk/guesttest/pending.go
//go:embed guest-sdk/guesttest/queue.go guest-sdk/guesttest/world.go guest-sdk/hooks.go
//go:embed guest-sdk/imports_conn_wasip1.go guest-sdk/imports_life_wasip1.go guest-sdk/imports_peer_wasip1.go
//go:embed guest-sdk/imports_time_wasip1.go guest-sdk/json.go guest-sdk/imports_wasip1.go guest-sdk/internal/hostcall/hostcall.go
//go:embed guest-sdk/internal/memhost/conns.go guest-sdk/internal/memhost/cron.go guest-sdk/internal/memhost/kv.go
//go:embed guest-sdk/internal/memhost/life.go guest-sdk/internal/memhost/memhost.go
//go:embed guest-sdk/internal/memhost/peers.go guest-sdk/internal/memhost/requests.go
//go:embed guest-sdk/internal/memhost/schedules.go guest-sdk/internal/memhost/tasks.go
//go:embed guest-sdk/internal/schema/fields.go guest-sdk/internal/schema/schema.go
//go:embed guest-sdk/internal/schema/special.go guest-sdk/kv.go guest-sdk/kvbatch.go guest-sdk/life.go
//go:embed guest-sdk/log.go guest-sdk/object.go guest-sdk/open.go guest-sdk/options.go guest-sdk/peer.go guest-sdk/queue.go
//go:embed guest-sdk/request.go guest-sdk/same.go guest-sdk/schedule.go guest-sdk/schema.go guest-sdk/task.go guest-sdk/turn.go guest-sdk/warm.go
//go:embed hostfuncs/abi/code.go hostfuncs/abi/doc.go hostfuncs/abi/documents.go hostfuncs/abi/envelope.go
//go:embed hostfuncs/abi/error.go hostfuncs/abi/limits.go hostfuncs/abi/manifest.go hostfuncs/abi/open.go hostfuncs/abi/page.go
//go:embed examples/wasm/counter/main.go
var Source embed.FS
