package main

// wirePage is what one must know to read the tables that follow it.
const wirePage = `# Connections and broadcasts, measured

Written by ` + "`make bench-wire`" + `: actions of connections, and events to many of them, in each of Rivet's encodings,
beside Durable Objects in workerd on the same machine in the same run. Both store on the same disk; neither is tuned. The load,
the guests and the worker are in [bench](../bench/README.md#connections-and-broadcasts).

- **The same bytes.** The worker speaks Rivet's JSON, as the host does in that encoding: compare it with the row "host, json". Its sockets
  are accepted through the hibernation API, as ours outlive their actor's sleep. It has one encoding only, so it is the base for all.
- **An increment is on disk before its answer leaves**, on both. workerd opens each object's SQLite with full syncs and holds what the
  object says until then: one sync for each increment, alone. The host commits what many actors do in one sync.
- **The host meters** each instruction and each host call of a guest, bounds its memory and time, and runs each actor in a Wasm instance
  of its own. workerd runs all objects on one thread without such bounds; what is measured is not the same promise.
- **The generator shares the cores** with the server, and takes up to one of them. So compare ratios, and CPU: it is the server's own.
- A run counts only if every answer and every event was the one that had to come, compared byte for byte, in order.
- **÷ workerd** divides each run by workerd's beside it. For rates more is better, for p50 and CPU less. With n requests in flight p50 is
  about n ÷ rate. The kernel counts CPU in steps of 10 ms. RSS holds what earlier workloads left.
- A delivery's time is from the publisher's write to that subscriber's read. With one message in flight the next one leaves when all have
  got it; with 16, p50 is the time in the queue of those before.

`
