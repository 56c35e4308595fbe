// The example in Hono: pages know its address alone, and no token of the host.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { serve } from "./serve.mjs";
import { call, connected, newKey } from "./world.mjs";

const cwd = fileURLToPath(new URL("../../examples/hono", import.meta.url));

export function hono(world, open) {
	let proxy, through;
	before(async () => {
		const env = { VIVARIUM_URL: world.host.endpoint, VIVARIUM_TOKEN: world.token };
		proxy = await serve(["node", "server.js"], { cwd, env });
		through = { endpoint: `${proxy.url}/api/rivet`, token: "" };
	});
	after(() => proxy?.end());

	test("connections and their events pass it, and end", async () => {
		const key = newKey();
		const v = await open("bench", { key, ...through });
		await v.page.locator("[data-status=connected]").waitFor();
		await connected(world, "counter", key, 1, "count");
		await call(world, "counter", key, "increment", 7);
		await v.page.locator('[data-count="7"][data-events="1"]').waitFor();
		await v.close();
		await connected(world, "counter", key, 0);
	});

	test("calls pass it", async () => {
		const v = await open("calls", { key: newKey(), ...through });
		await v.page.locator("#react", { hasText: "got 1" }).waitFor();
		await v.close();
	});

	test("errors pass it with their status and code", async () => {
		const r = await fetch(`${through.endpoint}/gateway/counter/action/fail?rvt-method=getOrCreate&rvt-key=${newKey()}`, { method: "POST", body: '{"args":[]}', headers: { "content-type": "application/json" } });
		assert.deepEqual([r.status, (await r.json()).code], [400, "refused"]);
	});

	test("what is not the host's does not reach it", async () => {
		for (const path of ["/modules", "/api/rivet/../modules", "/api/other/metadata"]) assert.equal((await fetch(proxy.url + path)).status, 404);
	});

	test("its pages go on over SIGKILL of the host", async () => {
		const key = newKey();
		const v = await open("bench", { key, ...through });
		await v.page.locator("[data-status=connected]").waitFor();
		await world.host.stop("SIGKILL");
		await v.page.locator("p:not([data-status=connected])").waitFor();
		await world.host.start();
		await connected(world, "counter", key, 1, "count");
		await call(world, "counter", key, "increment", 3);
		await v.page.locator('[data-count="3"]').waitFor();
		await v.close();
	});
}
