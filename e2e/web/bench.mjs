// What components do to connections: pages/bench.jsx, in a page of its own for each.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../harness/host.mjs";
import { call, connected, connections, newKey } from "./world.mjs";

export function bench(world, open) {
	const press = (v, name) => v.page.getByRole("button", { name, exact: true }).click();
	const watchers = (v, how) => v.page.locator(`p${how}`);
	const all = (v, n, how) => until(`${n} components that are ${how}`, async () => (await watchers(v, how).count()) === n);
	const increment = (key) => call(world, "counter", key, "increment", 1);

	test("StrictMode: one socket, each event once", async () => {
		const key = newKey();
		const v = await open("bench", { key, strict: 1 });
		await all(v, 1, "[data-status=connected]");
		await connected(world, "counter", key, 1, "count");
		for (const n of [1, 2, 3]) {
			await increment(key);
			await all(v, 1, `[data-count="${n}"][data-events="${n}"]`);
		}
		assert.equal(v.sockets.length, 1);
		await v.close();
	});

	test("fifty components on one actor: one socket, each told once", async () => {
		const key = newKey();
		const v = await open("bench", { key, copies: 50 });
		await all(v, 50, "[data-status=connected]");
		await connected(world, "counter", key, 1, "count");
		await increment(key);
		await all(v, 50, '[data-count="1"][data-events="1"]');
		assert.equal(v.sockets.length, 1);
		assert.equal((await connections(world, "counter", key)).length, 1);
		await press(v, "mount");
		await until("the socket to end", () => v.open() === 0);
		await connected(world, "counter", key, 0);
		await v.close();
	});

	test("unmounted and mounted again", async () => {
		const key = newKey();
		const v = await open("bench", { key });
		await all(v, 1, "[data-status=connected]");
		for (let n = 1; n <= 3; n++) {
			await press(v, "mount");
			await until("the socket to end", () => v.open() === 0);
			await connected(world, "counter", key, 0);
			await press(v, "mount");
			await all(v, 1, "[data-status=connected]");
			await connected(world, "counter", key, 1);
			assert.equal(v.open(), 1);
		}
		assert.deepEqual(v.errors, []);
		await v.close();
	});

	test("another key: the old actor is left", async () => {
		const key = newKey();
		const v = await open("bench", { key });
		await all(v, 1, "[data-status=connected]");
		await press(v, "rekey");
		await connected(world, "counter", `${key}-other`, 1, "count");
		await connected(world, "counter", key, 0);
		await until("the old socket to end", () => v.open() === 1);
		await increment(key);
		await increment(key);
		await increment(`${key}-other`);
		await all(v, 1, '[data-count="1"][data-events="1"]');
		await v.close();
	});

	test("not enabled: no socket, until it is", async () => {
		const key = newKey();
		const v = await open("bench", { key, enabled: false });
		await all(v, 1, "[data-status=idle]");
		assert.equal(v.sockets.length, 0);
		await press(v, "enable");
		await all(v, 1, "[data-status=connected]");
		await connected(world, "counter", key, 1);
		await press(v, "enable");
		await until("the socket to end", () => v.open() === 0);
		await connected(world, "counter", key, 0);
		assert.equal(v.sockets.length, 1);
		await v.close();
	});

	// Without delays of the host it is some hundred sockets a second.
	test("a page whose token is refused opens few sockets, and says why", async () => {
		const v = await open("app", { token: "nonsense" });
		const begun = Date.now();
		await v.page.locator(".chat .status").getByText("token").waitFor();
		await until("seven sockets", () => v.sockets.length >= 7);
		const took = Date.now() - begun;
		// Two connections are held, in turn, for 0.1, 0.2, 0.4, 0.8 and 1.6 s; the page is a moment ahead of us.
		assert.ok(took > 1_500, `seven sockets in ${took} ms`);
		const other = await open("bench", { key: newKey() });
		await all(other, 1, "[data-status=connected]"); // from the same address, meanwhile
		await other.close();
		await v.close();
	});

	for (const encoding of ["bare", "cbor", "json"]) {
		test(`the example's chat in ${encoding}`, async () => {
			const v = await open("app", { encoding });
			await v.page.locator(".chat .status.connected").waitFor();
			const text = `in ${encoding}, ü \u{1f600}`;
			await v.page.getByLabel("message", { exact: true }).fill(text);
			await v.page.keyboard.press("Enter");
			await v.page.getByLabel("messages").getByText(text).last().waitFor();
			const missed = `from elsewhere, ${encoding} ${newKey()}`;
			await call(world, "chatroom", "lobby", "post", "eve", missed);
			await v.page.getByLabel("messages").getByText(missed).waitFor();
			assert.deepEqual(v.errors, []);
			await v.close();
		});
	}
}
