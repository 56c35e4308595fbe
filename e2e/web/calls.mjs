// Calls without a connection, from a page: the client of Rivet's packages for React, and a newer one, which sends a
// call's body as a stream. Chromium does that over HTTP/2 only, and speaks HTTP/2 only with TLS.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startHost } from "../harness/host.mjs";
import { newKey } from "./world.mjs";

export function calls(world, open) {
	let secure;
	before(async () => {
		secure = await startHost({ tls: true, guests: ["examples/wasm/counter"] });
	});
	after(() => secure?.end());

	test("over HTTP/1.1 the newer client cannot", async () => {
		const v = await open("calls", { key: newKey() });
		assert.equal(await outcome(v, "#react"), "got 1");
		assert.match(await outcome(v, "#resolved"), /^got \w+/);
		assert.match(await outcome(v, "#newer"), /Failed to fetch/);
		await v.close();
	});

	test("over HTTPS both can", async () => {
		const v = await open("calls", { key: newKey(), endpoint: secure.endpoint, token: secure.token("invoke") });
		const got = [await outcome(v, "#react"), await outcome(v, "#newer")];
		assert.deepEqual(got.sort(), ["got 1", "got 2"]);
		await v.close();
	});

	test("connections of the newer client", async () => {
		const v = await open("bench", { key: newKey(), newer: 1 });
		await v.page.locator("[data-status=connected]").waitFor();
		await v.close();
	});
}

/** outcome waits for what a call shows. */
async function outcome(v, id) {
	const shown = v.page.locator(`${id}:not(:empty)`);
	await shown.waitFor();
	return shown.textContent();
}
