// A server of your own in front of a Vivarium host: browsers talk to this one only, and see no token of the host.
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { proxy } from "hono/proxy";
import { proxyUpgrade } from "httpxy";

const host = process.env.VIVARIUM_URL ?? "http://127.0.0.1:6420";
const token = process.env.VIVARIUM_TOKEN;
const port = Number(process.env.PORT ?? 3000);
const prefix = "/api/rivet/"; // the host knows it too

const app = new Hono();

app.get("/", (c) => c.text("The actors are at /api/rivet."));

// Whoever gets here may call every actor, so this is the place to ask who it is: here and at the upgrade below.
app.all(`${prefix}*`, (c) => {
  const { pathname, search } = new URL(c.req.url);
  const headers = { ...c.req.header(), ...(token && { "x-rivet-token": token }) };
  return proxy(host + pathname + search, { ...c.req, headers });
});

const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port }, () => console.log(`listening on http://127.0.0.1:${port}`));

// WebSockets pass as they are: sub-protocols, messages, close codes.
server.on("upgrade", (req, socket, head) => {
  if (!req.url.startsWith(prefix)) return socket.destroy();
  if (token) req.headers["x-rivet-token"] = token;
  proxyUpgrade(host, req, socket, head).catch((e) => {
    console.error("upgrade:", e.message);
    socket.destroy();
  });
});
