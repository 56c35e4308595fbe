// The example app, as its author builds it, in front of two visitors.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../harness/host.mjs";
import { serveFolder, visit } from "./browser.mjs";
import { connected } from "./world.mjs";

const dir = fileURLToPath(new URL("../../examples/web", import.meta.url));

export function example(world) {
	let site;
	before(async () => {
		const env = { ...process.env, VITE_ENDPOINT: world.host.endpoint, VITE_TOKEN: world.token };
		execFileSync("npm", ["run", "build"], { cwd: dir, env, stdio: ["ignore", "ignore", "inherit"] });
		site = await serveFolder(`${dir}/dist`);
	});
	after(() => site?.close());

	test("its types are those of the guests", (t) => {
		const scratch = mkdtempSync(join(tmpdir(), "vivarium-types-"));
		t.after(() => rmSync(scratch, { recursive: true }));
		for (const module of ["chatroom", "counter"]) {
			const made = join(scratch, `${module}.d.ts`);
			world.host.types(module, made);
			assert.equal(readFileSync(`${dir}/src/actors/${module}.d.ts`, "utf8"), readFileSync(made, "utf8"));
		}
	});

	test("two visitors see each other's messages and one counter", async () => {
		const [ann, bob] = await visitors(world, site.url);
		await say(ann, "hello bob");
		await sees(bob, "hello bob");
		await say(bob, "hello ann");
		await sees(ann, "hello ann");
		const before = await count(ann);
		await increment(ann);
		await increment(bob);
		for (const v of [ann, bob]) await counts(v, before + 2);
		await leave(ann, bob);
	});

	test("a room is another actor, and its messages stay in it", async () => {
		const [ann, bob] = await visitors(world, site.url);
		await say(ann, "only in the lobby");
		await sees(bob, "only in the lobby");
		await ann.page.getByRole("button", { name: "garden" }).click();
		await connected(world, "chatroom", "garden", 1);
		await connected(world, "chatroom", "lobby", 1);
		await say(ann, "only in the garden");
		await say(bob, "still in the lobby");
		assert.equal(await bob.page.getByText("only in the garden").count(), 0);
		assert.equal(await ann.page.getByText("still in the lobby").count(), 0);
		await ann.page.getByRole("button", { name: "lobby" }).click();
		await sees(ann, "still in the lobby");
		await leave(ann, bob);
	});

	test("what the actor refuses is shown", async () => {
		const [ann] = await visitors(world, site.url, 1);
		await ann.page.getByLabel("message", { exact: true }).fill("x".repeat(4097));
		await ann.page.keyboard.press("Enter");
		await ann.page.getByRole("alert").getByText("between 1 and 4096 bytes").waitFor();
		await leave(ann);
	});

	for (const signal of ["SIGTERM", "SIGKILL"]) {
		test(`the pages go on over ${signal} of the host`, async () => {
			const [ann, bob] = await visitors(world, site.url);
			await say(ann, `before ${signal}`);
			const before = await increment(ann);
			await world.host.stop(signal);
			for (const v of [ann, bob]) await v.page.locator(".chat .status:not(.connected)").waitFor();
			await world.host.start();
			await arrived(ann, bob);
			for (const v of [ann, bob]) await counts(v, before);
			await say(bob, `after ${signal}`);
			await sees(ann, `after ${signal}`);
			await sees(ann, `before ${signal}`);
			await increment(bob);
			await counts(ann, before + 1);
			for (const v of [ann, bob]) assert.equal(v.open(), 2);
			await connected(world, "chatroom", "lobby", 2);
			await leave(ann, bob);
		});
	}

	test("who leaves takes their connections with them", async () => {
		const [ann, bob] = await visitors(world, site.url);
		await connected(world, "counter", "lobby", 2);
		await leave(ann);
		await connected(world, "counter", "lobby", 1);
		await leave(bob);
		await connected(world, "counter", "lobby", 0);
		await connected(world, "chatroom", "lobby", 0);
	});
}

async function visitors({ browser }, url, n = 2) {
	const all = await Promise.all(Array.from({ length: n }, () => visit(browser, url)));
	await arrived(...all);
	return all;
}

/** arrived waits until all that is on the visitors' pages is connected. */
async function arrived(...all) {
	for (const { page } of all) for (const part of [".chat", ".counter"]) await page.locator(`${part} .status.connected`).waitFor();
}

async function leave(...all) {
	for (const v of all) {
		assert.deepEqual(v.errors, []);
		await v.close();
	}
}

async function say(v, text) {
	await v.page.getByLabel("message", { exact: true }).fill(text);
	await v.page.getByRole("button", { name: "send" }).click();
	await sees(v, text);
}

const sees = (v, text) => v.page.getByLabel("messages").getByText(text).last().waitFor();

/** count returns what the counter shows, once it shows a number. */
const count = async (v) => Number(await until("the count", async () => (await v.page.getByLabel("count").textContent()).match(/^\d+$/)));

const counts = (v, n) => until(`the count ${n}`, async () => (await v.page.getByLabel("count").textContent()) === `${n}`);

/** increment counts one more, waits for it, and returns it. */
async function increment(v) {
	const next = (await count(v)) + 1;
	await v.page.getByRole("button", { name: "count one more" }).click();
	await counts(v, next);
	return next;
}
