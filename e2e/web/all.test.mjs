// One host behind a held socket and one browser for all that is tried, since both take seconds to start.
import { fileURLToPath } from "node:url";
import { after, before, describe } from "node:test";
import { startHost } from "../harness/host.mjs";
import { launch, serveFolder, visit } from "./browser.mjs";
import { bench } from "./bench.mjs";
import { calls } from "./calls.mjs";
import { example } from "./example.mjs";
import { hono } from "./hono.mjs";
import { next } from "./next.mjs";

const dir = fileURLToPath(new URL(".", import.meta.url));
const world = {};

before(async () => {
	world.browser = await launch();
	world.pages = await serveFolder(`${dir}/out/pages`);
	world.host = await startHost({ held: true, guests: ["examples/wasm/chatroom", "examples/wasm/counter"] });
	world.token = world.host.token("invoke");
});
after(async () => {
	await world.browser?.close();
	await world.host?.end();
	world.pages?.close();
});

/** open opens a page of the folder pages, with settings in its address. */
const open = (page, settings) =>
	visit(world.browser, `${world.pages.url}/?${new URLSearchParams({ page, endpoint: world.host.endpoint, token: world.token, ...settings })}`);

describe("the example in React", () => example(world));
describe("hooks", () => bench(world, open));
describe("calls", () => calls(world, open));
describe("the example in Hono", () => hono(world, open));
describe("the example in Next.js", () => next(world));
