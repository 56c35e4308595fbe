# What runs here also runs on a bare machine with Go, Node and apt-get: every target installs what
# it needs. `go test ./...` alone needs Go only.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
export PATH := $(CURDIR)/out/node/bin:$(PATH)
GUEST_ENV   = GOOS=wasip1 GOARCH=wasm
PLUGINS     = examples/wasm/extism-as examples/wasm/extism-c examples/wasm/extism-rust
BINDINGS    = examples/wasm/bindings-as examples/wasm/bindings-c examples/wasm/bindings-rust

.PHONY: check test race fuzz bench bench-turn bench-wire bench-peers generate deps strace crash soak model attack overload wasm guests density figures types clients web schedules dist edge

# test passes everything: checks, all tests, the race detector where there is concurrency, and the
# guests of other languages built again from their source, what the host writes compiled, and clients.
#
# Much of it waits, for processes and for times, so there are two rows of work side by side. What the tests read of guests
# is built before that.
test: deps guests
	$(MAKE) -j2 row-go row-rest
	@git diff --exit-code --stat -- '*/package-lock.json'

.PHONY: row-go row-rest
row-go:
	$(MAKE) check
	go test -count=1 -timeout 20m $(TESTFLAGS) ./...
row-rest:
	$(MAKE) types clients web
	$(MAKE) race

# check is quick enough to run before each commit.
check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	go vet ./...
	$(GUEST_ENV) go vet ./guest-sdk ./guest-sdk/testguests/... ./examples/wasm/... ./bench/guest ./e2e/density/guest
	GOOS=darwin GOARCH=arm64 go vet ./cmd/host
	go vet -tags figures ./sandbox
	go run $(STATICCHECK) ./...

# race runs what is concurrent under the race detector. Guests run slowly there, so of packages sandbox
# and actors it takes the tests about order, life and locks, not those about sizes. Of api it leaves out the flood of
# streams, since the server is then too slow to be flooded by fewer than all, and the count of allocations.
race:
	go test -race -count=1 -timeout 20m -skip '^(TestRapidReset|TestAllocationsOfATurn)$$' ./kv/... ./tenants ./api ./client ./hostfuncs/... ./sandbox/internal/compile ./sandbox/internal/image/... ./sandbox/internal/slots
	go test -race -count=1 -timeout 20m -run 'Hammer|Chores|InSlots|Wake|Preparation|Deadline|Pointers|FormsAgree' ./sandbox
	go test -race -count=1 -timeout 20m -run 'Gate|Destroy|Drain|GetOrCreate|Instances|Flight|Refused|Leaves|Outcome|Mailbox|Sleeps|Plain|Hammer|QueueBatch|QueueDrain|CommitRefused|ManySchedules' ./actors
	go test -race -count=1 -run Hammer ./actors/internal/schemas

# wasm tests the guests of other languages as they are built here. Other compilers make other bytes, so these are not
# compared.
wasm: guests
	go test -count=1 -run 'Plain|GuestsRunTheSame|Bindings' ./actors ./guest-sdk ./sandbox ./cmd/host

# guests builds the committed guests of other languages again.
guests: deps
	for guest in $(PLUGINS) $(BINDINGS) bench/guest-as; do $(MAKE) -C $$guest || exit 1; done

# clients drives a host with Rivet's published client, in each of its encodings.
clients: deps
	$(MAKE) -C e2e/client

# edge drives a host with Rivet's published client in Bun, Deno and workerd, which it installs: some 370 MB.
edge: deps
	$(MAKE) -C e2e/client/edge

# web builds the examples in React, Next.js and Hono and drives a host with them, in a browser.
web: deps
	$(MAKE) -C e2e/web

# types gives the declarations that the tests of host types compare to the TypeScript compiler.
types:
	$(MAKE) -C e2e/types

# fuzz runs every fuzz target for FUZZTIME each.
FUZZTIME ?= 1m
fuzz:
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

# attack sends the whole corpus of hostile modules to a running host, watches another namespace,
# measures, and writes docs/attack.md. The suite has a short form.
ATTACKFLAGS ?= -attack.long
attack:
	go test -count=1 -v -timeout 60m ./e2e/attack $(ATTACKFLAGS)

# overload asks a host of one processor for twice and ten times what it can do, from the other processor, and writes
# docs/overload.md: some four minutes. The suite has a short form.
overload:
	taskset -c 1 go test -count=1 -v -timeout 30m -run TestOverload ./e2e/attack -overload.long

# crash kills the store under load for many rounds, a host under load for as many, and a host at each step of each
# kind of work, some of them twice; has each write of the store fail, spoils each file of a data folder in each way,
# and sees that hosts with faults of that kind are found out. The suite has short forms. CRASHFLAGS=-crash.seed=N has the second kill at the same moments.
ROUNDS ?= 100
STEPROUNDS ?= 2
crash:
	go test -count=1 -timeout 60m -run TestCrash ./kv/badgerkv -crash.rounds $(ROUNDS)
	go test -count=1 -timeout 60m -v -run TestCrash ./e2e/endure -crash.rounds $(ROUNDS) $(CRASHFLAGS)
	go test -count=1 -timeout 60m -run TestDamagedFiles ./e2e/endure -damage.all
	go test -count=1 -timeout 60m -run TestNthWriteFails ./cmd/host -nth.all
	go test -count=1 -timeout 60m -v -run TestCrashPoints ./actors/model -crash.rounds $(STEPROUNDS)

# soak has a host under load that comes and goes for SOAKTIME, at SOAKRATE chores a second, and writes docs/soak.md: what
# it holds must be flat. The suite has a short form.
SOAKTIME ?= 10m
SOAKRATE ?= 200
soak:
	go test -count=1 -timeout 0 -v -run 'TestSoak$$' ./e2e/endure -soak.time $(SOAKTIME) -soak.rate $(SOAKRATE) -soak.out $(CURDIR)/docs/soak.md

# density makes a million sleeping actors, and sees what of a host grows with them, and what an increment costs beside
# much that has nothing to do with it; writes docs/density.md. It takes a quarter of an hour, 3 GB of disk, and descriptors
# for 10,000 sockets. The suite has a short form.
DENSITYACTORS ?= 1000000
density:
	go test -count=1 -v -timeout 60m -run 'TestDensity$$' ./e2e/density -density.long -density.actors $(DENSITYACTORS)

# model runs random operations against a host and against plain maps, with restarts and kills, and prints
# what it did; the suite has a run of 100,000. MODELFLAGS=-model.seed=N replays one.
MODELOPS ?= 1000000
MODELFLAGS ?= -model.kills 30
model:
	go test -count=1 -timeout 120m -v -run 'TestModel$$' ./actors/model -model.ops $(MODELOPS) $(MODELFLAGS)

# figures measures what the sandbox costs, beside the engine without it, and writes docs/figures.md. It
# takes some five minutes and 4 GB.
figures:
	go test -tags figures -count=1 -timeout 20m -run '^TestFigures$$' ./sandbox -figures.out $(CURDIR)/docs/figures.md
	@cat docs/figures.md

# bench measures the host beside the bare Go floor, in one run.
bench:
	go run ./bench -out bench.md -json bench.jsonl

# bench-wire measures connections and broadcasts beside the floor and workerd, which it installs. It takes some eight
# minutes of a machine that does nothing else.
bench-wire: deps
	$(MAKE) -C bench/peers/workerd
	go run ./bench -form wire -dur 1500ms -warm 300ms -out bench.md -json bench.jsonl

# bench-peers measures everything beside the floor, workerd and Rivet's engine, which it installs (520 MB), and writes
# docs/benchmarks.md. A peer that is not there or fails is said there. It takes some twenty minutes of a machine that does nothing else.
bench-peers: deps
	-$(MAKE) -C bench/peers/workerd
	-$(MAKE) -C bench/peers/rivet
	go run ./bench -form peers -dur 500ms -warm 100ms -out docs/benchmarks.md -charts docs/charts -json bench.jsonl

# bench-turn measures turns without HTTP; add BENCHFLAGS=-cpuprofile=cpu.prof for a profile.
bench-turn:
	go test ./bench/inprocess -run '^$$' -bench . $(BENCHFLAGS)

# schedules has 10,000 sleeping actors with one schedule each in the same second, and says how late they run.
schedules:
	go test -count=1 -v -timeout 30m -run TestManySchedulesAtOnce ./actors -schedules.actors 10000

# strace shows, from outside, that every acknowledgement came after a sync.
strace: deps
	go test -count=1 -v -run TestSyncsSeenFromOutside ./cmd/host

# dist builds the host for each system that it runs on, static and the same bytes for the same commit, into out/dist.
DIST = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
dist:
	rm -rf out/dist && mkdir -p out/dist
	for target in $(DIST); do \
	  CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} go build -trimpath -ldflags "-s -w" -o out/dist/host-$${target%/*}-$${target#*/} ./cmd/host || exit 1; \
	done
	cd out/dist && sha256sum host-* > SHA256SUMS && cat SHA256SUMS

# generate writes the generated files again.
generate:
	go generate ./...

# deps installs what the tests need besides Go.
deps:
	.ci/deps
