// What bench measures, as an actor of Rivet's: its engine, and this process as the engine's actor host.
//
// The engine gets the settings that rivetkit gives to one that it starts itself, fewer delays between the two (without
// TCP_NODELAY a call of one connection waits for 48 ms), and higher limits of messages to sockets, which bound broadcasts
// otherwise. It ends with this process, however that ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout } from "node:timers/promises";
import { getEnginePath } from "@rivetkit/engine-cli";
import { actor, setup } from "rivetkit";

const data = process.argv[2];

// Both processes are frozen while the other servers are measured, and are not to think each other lost: ms.
const frozen = 600_000;

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function startEngine() {
  const [port, peer, metrics] = [await freePort(), await freePort(), await freePort()];
  mkdirSync(data, { recursive: true });
  const settings = {
    GUARD__HOST: "127.0.0.1", GUARD__PORT: port, GUARD__TCP_NODELAY: true,
    API_PEER__HOST: "127.0.0.1", API_PEER__PORT: peer, METRICS__HOST: "127.0.0.1", METRICS__PORT: metrics,
    FILE_SYSTEM__PATH: data,
    FEATURES__GUARD_GATEWAY_V3__MODE: "on", FEATURES__GUARD_GATEWAY_V3__PERCENTAGE: 100,
    PEGBOARD__BASE_RETRY_TIMEOUT: 100, PEGBOARD__RETRY_RESET_DURATION: 100, PEGBOARD__RESCHEDULE_BACKOFF_MAX_EXPONENT: 1,
    PEGBOARD__ENVOY_ELIGIBLE_THRESHOLD: frozen, PEGBOARD__ENVOY_LOST_THRESHOLD: frozen,
    PEGBOARD__RUNNER_ELIGIBLE_THRESHOLD: frozen, PEGBOARD__RUNNER_LOST_THRESHOLD: frozen,
    PEGBOARD__MIN_METADATA_POLL_INTERVAL: 1000,
    PEGBOARD__ENVOY_WEBSOCKET_RATE_LIMIT_REQUESTS: 1000000, PEGBOARD__ENVOY_WEBSOCKET_RATE_LIMIT_DRIP_RATE_US: 1,
    PEGBOARD__GATEWAY_WEBSOCKET_RATE_LIMIT_REQUESTS: 1000000, PEGBOARD__GATEWAY_WEBSOCKET_RATE_LIMIT_DRIP_RATE_MS: 1,
    RUNTIME__WORKER_SHUTDOWN_DURATION: 1, RUNTIME__GUARD_SHUTDOWN_DURATION: 1, RUNTIME__FORCE_SHUTDOWN_DURATION: 2,
  };
  const env = { ...process.env };
  delete env.RUST_BACKTRACE; // with it the engine is several times slower
  for (const [name, value] of Object.entries(settings)) env["RIVET__" + name] = String(value);
  const engine = spawn("setpriv", ["--pdeathsig", "KILL", getEnginePath(), "start"], { env, stdio: ["ignore", "ignore", "inherit"] });
  engine.on("exit", (code) => process.exit(code || 1)); // it is never to end first
  await answers(`http://127.0.0.1:${port}/health`);
  return { engine, port };
}

// answers waits for a server that is about to listen; who started us waits no longer than it wants.
async function answers(url, init) {
  for (;;) {
    const ok = await fetch(url, init).then((r) => r.ok, () => false);
    if (ok) return;
    await setTimeout(50);
  }
}

const actions = {
  nop: () => {},
  get: (c) => c.state.count,
  // increment is on disk when it answers; lazy is saved within a second, as Rivet does by default.
  increment: async (c, by) => {
    const count = (c.state.count += by);
    await c.saveState({ immediate: true });
    return count;
  },
  lazy: (c, by) => (c.state.count += by),
  say: (c, ...args) => c.broadcast("said", ...args),
  put: (c, text) => c.kv.put("item", text),
  size: async (c) => ((await c.kv.get("item")) ?? "").length,
  one: () => 1,
  ask: (c, key) => c.client().bench.getOrCreate([key]).one(),
  fan: async (c, key, n) => {
    const all = await Promise.all(Array.from({ length: n }, (_, i) => c.client().bench.getOrCreate([`${key}-${i}`]).one()));
    return all.reduce((a, b) => a + b, 0);
  },
  remind: (c, due) => void c.schedule.at(due, "ring", due),
  ring: (c, due) => void (c.state.late = Date.now() - due),
  late: (c) => c.state.late,
  rest: (c) => c.sleep(),
  woken: (c) => {
    const { first } = c.vars;
    c.vars.first = 0;
    return first;
  },
};

const { engine, port } = await startEngine();
process.on("SIGTERM", () => {
  engine.removeAllListeners("exit");
  engine.on("exit", () => process.exit(0));
  engine.kill("SIGKILL"); // its data is thrown away
});

const bench = actor({ state: { count: 0, late: -1 }, createVars: () => ({ first: 1 }), actions });
setup({
  use: { bench },
  endpoint: `http://127.0.0.1:${port}`,
  startServices: false,
  noWelcome: true,
  logging: { level: "error" },
}).start();

// The engine has taken this process as an actor host when an actor answers.
await answers(`http://127.0.0.1:${port}/gateway/bench/action/nop?rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-crash-policy=sleep&rvt-key=first`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: '{"args":[]}',
});
console.error(JSON.stringify({ event: "listen", port }));
