// The workloads of bench over WebSockets as Durable Objects, with the messages of Rivet's JSON encoding: the same
// bytes go over the wire as to and from the host. All sockets are accepted through the hibernation API.
import { DurableObject } from "cloudflare:workers";

const message = (tag, val) => JSON.stringify({ body: { tag, val } });

// Actor answers one connection's actions. A subclass has act.
class Actor extends DurableObject {
  fetch(request) {
    const [client, server] = Object.values(new WebSocketPair());
    const event = new URL(request.url).searchParams.get("event");
    this.ctx.acceptWebSocket(server, event ? [event] : []);
    server.send(message("Init", { actorId: this.ctx.id.toString(), connectionId: crypto.randomUUID() }));
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "rivet" } });
  }

  async webSocketMessage(socket, data) {
    const { tag, val } = JSON.parse(data).body;
    if (tag !== "ActionRequest") return; // a subscription: the socket got its tag when it was accepted
    const output = (await this.act(val.name, val.args)) ?? ["$Undefined", 0];
    socket.send(message("ActionResponse", { id: val.id, output }));
  }
}

// Counter counts. What it says waits for its storage: the runtime holds messages back until what was put is on disk.
export class Counter extends Actor {
  async act(name, [by]) {
    if (name !== "increment") return;
    this.count ??= (await this.ctx.storage.get("count")) ?? 0;
    this.count += by;
    this.ctx.storage.put("count", this.count);
    return this.count;
  }
}

// Room repeats what it is told to all who have subscribed.
export class Room extends Actor {
  act(name, args) {
    if (name !== "say") return;
    const said = message("Event", { name: "said", args });
    for (const socket of this.ctx.getWebSockets("said")) socket.send(said);
  }
}

// /counter/{key} and /room/{key} are the objects.
export default {
  fetch(request, env) {
    const [, kind, key] = new URL(request.url).pathname.split("/");
    const objects = { counter: env.COUNTER, room: env.ROOM }[kind];
    if (!objects) return new Response("no such object", { status: 404 });
    return objects.get(objects.idFromName(key)).fetch(request);
  },
};
