// What bench measures, as a Durable Object: it takes the requests that a host takes, byte for byte, over HTTP and over
// WebSockets with the messages of Rivet's JSON encoding. All sockets are accepted through the hibernation API.
import { DurableObject } from "cloudflare:workers";

const nothing = ["$Undefined", 0];
const message = (tag, val) => JSON.stringify({ body: { tag, val } });

// Actor counts, repeats what it is told, stores and asks others. What it says waits for its storage: the runtime holds
// answers and messages back until what was put is on disk.
export class Actor extends DurableObject {
  awake = false;

  async fetch(request) {
    const url = new URL(request.url);
    const [, , , kind, action] = url.pathname.split("/");
    if (kind === "connect") return this.connect(url.searchParams.get("event"));
    const { args } = await request.json();
    if (!actions[action]) return new Response("no such action", { status: 404 });
    return Response.json({ output: (await this.act(action, args)) ?? nothing });
  }

  connect(event) {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server, event ? [event] : []);
    server.send(message("Init", { actorId: this.ctx.id.toString(), connectionId: crypto.randomUUID() }));
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "rivet" } });
  }

  async webSocketMessage(socket, data) {
    const { tag, val } = JSON.parse(data).body;
    if (tag !== "ActionRequest") return; // a subscription: the socket got its tag when it was accepted
    const output = (await this.act(val.name, val.args)) ?? nothing;
    socket.send(message("ActionResponse", { id: val.id, output }));
  }

  // act is also called by other objects.
  act(action, args) {
    const woke = !this.awake;
    this.awake = true;
    return actions[action](this, woke, ...args);
  }

  alarm() {
    const due = this.ctx.storage.kv.get("due");
    this.ctx.storage.kv.put("late", Date.now() - due);
  }

  other(key) {
    return this.env.ACTOR.get(this.env.ACTOR.idFromName(key));
  }
}

const actions = {
  nop: () => undefined,
  get: async (o) => (await load(o)).count,
  increment: async (o, woke, by) => {
    const count = ((await load(o)).count += by);
    o.ctx.storage.put("count", count);
    return count;
  },
  say: (o, woke, ...args) => {
    const said = message("Event", { name: "said", args });
    for (const socket of o.ctx.getWebSockets("said")) socket.send(said);
  },
  put: (o, woke, text) => void o.ctx.storage.put("item", text),
  size: async (o) => ((await o.ctx.storage.get("item")) ?? "").length,
  one: () => 1,
  ask: (o, woke, key) => o.other(key).act("one", []),
  fan: async (o, woke, key, n) => {
    const all = await Promise.all(Array.from({ length: n }, (_, i) => o.other(`${key}-${i}`).act("one", [])));
    return all.reduce((a, b) => a + b, 0);
  },
  remind: (o, woke, due) => {
    o.ctx.storage.kv.put("due", due);
    return o.ctx.storage.setAlarm(due);
  },
  late: (o) => o.ctx.storage.kv.get("late") ?? -1,
  woken: (o, woke) => Number(woke),
};

async function load(o) {
  o.count ??= (await o.ctx.storage.get("count")) ?? 0;
  return o;
}

// /gateway/{actor}/… are the objects, by their key.
export default {
  fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/healthz") return Response.json({ status: "ok" });
    const key = url.searchParams.get("rvt-key");
    if (!url.pathname.startsWith("/gateway/") || !key) return new Response("no such object", { status: 404 });
    return env.ACTOR.get(env.ACTOR.idFromName(key)).fetch(request);
  },
};
