// Rivet's published client, unmodified, against a real host: each documented feature in each encoding.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { createClient } from "rivetkit/client";
import { WebSocket } from "ws";
import { type Host, startHost, until } from "../harness/host.mjs";
import type { Params, Registry } from "./made/kitchen.js";

let host: Host, token: string;
before(async () => {
	host = await startHost({ publicPath: "/viv" }); // clients are given the endpoint all the same
	token = host.token("invoke");
});
after(() => host.end());

let number = 0;
const newKey = () => ["test", `${Date.now()}`, `${number++}`];

/** Failure is what the client says of an error. */
type Failure = Error & { group: string; code: string; metadata?: unknown };

/** failure returns what f was rejected with. */
async function failure(f: () => Promise<unknown>): Promise<Failure> {
	try {
		await f();
	} catch (e) {
		return e as Failure;
	}
	assert.fail("it did not fail");
}

/** defer resolves with the first call of done. */
function defer<T = void>(): [Promise<T>, (v: T) => void] {
	let done!: (v: T) => void;
	return [new Promise<T>((r) => (done = r)), done];
}

const clientOf = (endpoint: string, token?: string, encoding?: "bare" | "cbor" | "json", gateway?: { skipReadyWait: boolean }) =>
	createClient<Registry>({ endpoint, ...(token && { token }), ...(encoding && { encoding }), ...(gateway && { gateway }) });

// undefined is the default of the client, which is bare.
for (const encoding of [undefined, "bare", "cbor", "json"] as const) {
	describe(encoding ?? "default encoding", () => {
		let client: ReturnType<typeof clientOf>;
		before(() => {
			client = clientOf(host.endpoint, token, encoding);
		});
		after(() => client.dispose());
		type Options = Omit<NonNullable<Parameters<typeof client.kitchen.getOrCreate>[1]>, "params"> & { params?: Params["kitchen"] };
		const kitchen = (key: string | string[] = newKey(), options?: Options) => client.kitchen.getOrCreate(key, options);

		test("getOrCreate, get, getForId, resolve", async () => {
			const key = newKey();
			const made = kitchen(key);
			assert.equal(await made.inc(2), 2);
			const id = await made.resolve();
			assert.equal(await client.kitchen.get(key).resolve(), id);
			assert.equal(await client.kitchen.get(key).inc(1), 3);
			assert.equal(await client.kitchen.getForId(id).get(), 3);
		});

		test("create with input, twice", async () => {
			const key = newKey();
			const input = { start: 5, list: [null, true, "ü"] };
			const made = await client.kitchen.create(key, { input });
			assert.deepEqual(await made.input(), input);
			const again = await failure(() => client.kitchen.create(key));
			assert.deepEqual([again.group, again.code], ["actor", "duplicate_key"]);
			assert.deepEqual(await kitchen(newKey(), { createWithInput: input }).input(), input);
		});

		test("compound and empty keys", async () => {
			for (const key of [["a/b", "c\\d"], ["ü", " "], [], "single"]) {
				const id = await kitchen(key).resolve();
				assert.equal(await client.kitchen.get(key).resolve(), id);
				await kitchen(key).inc(1);
			}
			assert.notEqual(await kitchen(["x", "y"]).resolve(), await kitchen(["x/y"]).resolve());
		});

		test("values of every type", async () => {
			const k = kitchen();
			const conn = k.connect();
			for (const target of [k, conn]) {
				for (const v of [null, true, false, 0, -1, 1.5, 1e300, 2 ** 40, -(2 ** 40), Number.MAX_SAFE_INTEGER, "", "ü\n\u{1f600}", [], {}, [[["deep"]]], { a: { b: [1, { c: null }] } }, ["$x", 1], ["$$x", 1], 5n, -5n, 2n ** 70n, [1n, { n: 2n }]]) {
					assert.deepEqual(await target.echo(v), v);
				}
				const bytes = await target.echo(new Uint8Array([9, 0, 255]));
				assert.deepEqual([...bytes], [9, 0, 255]);
				assert.equal(await target.echo(new Date(1_700_000_000_500)), "2023-11-14T22:13:20.500Z");
				assert.equal(await target.nothing(), undefined);
			}
			await conn.dispose();
		});

		test("nested actions", async () => {
			assert.equal(await kitchen()["nested.a.b"](), "deep");
		});

		test("errors", async () => {
			const k = kitchen();
			const conn = k.connect();
			for (const target of [k, conn]) {
				const user = await failure(() => target.fail());
				assert.deepEqual([user.group, user.code, user.message, user.metadata], ["user", "bad_name", "bad name", { min: 3 }]);
				const hidden = await failure(() => target.boom());
				assert.deepEqual([hidden.group, hidden.code], ["rivetkit", "internal_error"]);
				assert.doesNotMatch(JSON.stringify(hidden) + hidden.message, /secret/);
				// @ts-expect-error there is no such action
				const none = await failure(() => target.nobody());
				assert.deepEqual([none.group, none.code], ["actor", "action_not_found"]);
			}
			await conn.dispose();
			const missing = await failure(() => client.kitchen.get(newKey()).get());
			assert.deepEqual([missing.group, missing.code], ["actor", "not_found"]);
			const malformed = await failure(() => client.kitchen.getForId("nobody").get());
			assert.deepEqual([malformed.group, malformed.code], ["actor", "not_found"]);
		});

		test("events: on, once, off, before the answer, for all", async () => {
			const key = newKey();
			const conns = [kitchen(key).connect(), kitchen(key).connect(), kitchen(key).connect()];
			const seen = conns.map((): unknown[] => []);
			conns.forEach((c, i) => c.on("count", (n, how) => seen[i].push([n, how])));
			let once = 0;
			const [first, gotFirst] = defer();
			conns[0].once("count", () => {
				once++;
				gotFirst();
			});
			for (const c of conns) assert.equal(await c.get(), 0);
			assert.equal(await conns[0].inc(3), 3);
			assert.equal(seen[0].length, 1, "the event comes before the answer");
			await first;
			await kitchen(key).inc(4);
			await until("all events", () => seen.every((s) => s.length === 2));
			for (const s of seen) assert.deepEqual(s, [[3, { by: 3 }], [7, { by: 4 }]]);
			assert.equal(once, 1);

			const late: unknown[] = [];
			const off = conns[1].on("count", (n) => late.push(n));
			await conns[1].get();
			off();
			await conns[1].inc(1);
			assert.deepEqual(late, []);
			await Promise.all(conns.map((c) => c.dispose()));
		});

		test("params and state of a connection, access denied", async () => {
			const key = newKey();
			await kitchen(key).inc(1);
			const conn = kitchen(key, { params: { name: "zoë, ü" } }).connect();
			assert.deepEqual(await conn.whoami(), { name: "zoë, ü" });
			await conn.dispose();
			assert.deepEqual(await kitchen(key, { params: { name: "bob" } }).whoami(), { name: "bob" });

			for (const [name, want] of [["stranger", ["user", "forbidden"]], ["boom", ["rivetkit", "internal_error"]]] as const) {
				const denied = kitchen(key, { params: { name } }).connect();
				const [error, gotError] = defer<Failure>();
				denied.onError((e) => gotError(e as Failure));
				const e = await error;
				assert.deepEqual([e.group, e.code], want);
				assert.deepEqual(name === "stranger" && e.metadata, name === "stranger" && { why: "test" });
				assert.doesNotMatch(JSON.stringify(e) + e.message, /secret/);
				await denied.dispose();
				const stateless = await failure(() => kitchen(key, { params: { name } }).get());
				assert.deepEqual([stateless.group, stateless.code], want);
			}
		});

		test("status: open, close, kick, dispose", async () => {
			const conn = kitchen().connect();
			const statuses: string[] = [];
			let opened = 0, closed = 0;
			conn.onStatusChange((s) => statuses.push(s));
			conn.onOpen(() => opened++);
			conn.onClose(() => closed++);
			await conn.inc(1);
			assert.deepEqual([opened, closed, conn.connStatus], [1, 0, "connected"]);
			await conn.kick().catch(() => {});
			await until("the connection to come back", () => opened === 2);
			assert.equal(await conn.get(), 1);
			assert.equal(closed, 1);
			await conn.dispose();
			await until("the end", () => closed === 2);
			assert.deepEqual(statuses.filter((s) => s === "connected").length, 2);
		});

		test("an actor sleeps beneath its connections", async () => {
			const key = newKey();
			const conn = kitchen(key, { params: { name: "kept" } }).connect();
			const counts: number[] = [];
			conn.on("count", (n) => counts.push(n));
			await conn.inc(1);
			await conn.doze();
			assert.equal(await conn.inc(1), 2);
			assert.deepEqual(counts, [1, 2]);
			assert.deepEqual(await conn.whoami(), { name: "kept" });
			await conn.dispose();
		});

		test("queues", async () => {
			const k = kitchen();
			await k.send("done", { n: 1 });
			const done = await k.send("done", { n: 2 }, { wait: true, timeout: 10_000 });
			assert.deepEqual(done, { status: "completed", response: { echoed: { n: 2 } } });
			const late = await k.send("never", "x", { wait: true, timeout: 100 });
			assert.equal(late.status, "timedOut");
		});

		test("raw HTTP", async () => {
			const k = kitchen();
			const r = await k.fetch("/a/b?q=1&r=%2F", { method: "POST", body: "text", headers: { "x-mine": "1" } });
			assert.equal(r.status, 200);
			const got = await r.json();
			assert.deepEqual(got, { method: "POST", url: "/a/b?q=1&r=%2F", body: "text", mine: "1" });
			assert.equal((await k.fetch("teapot")).status, 418);
			const url = await k.getGatewayUrl();
			assert.equal((await fetch(`${url.replace(/\?.*/, "")}/request/teapot${new URL(url).search}`)).status, 418);
		});

		test("raw WebSocket", async () => {
			const k = kitchen();
			const ws = await k.webSocket("sub/x?y=1");
			const messages: any[] = [];
			const [open, isOpen] = defer<unknown>();
			const [end, ended] = defer<unknown>();
			ws.binaryType = "arraybuffer";
			ws.addEventListener("open", isOpen);
			ws.addEventListener("message", (e: { data: unknown }) => messages.push(e.data));
			ws.addEventListener("close", (e: { code: number; reason: string }) => ended([e.code, e.reason]));
			if (ws.readyState !== 1) await open;
			ws.send("hello");
			ws.send(new Uint8Array([1, 2]));
			await until("the messages", () => messages.length >= 3);
			assert.equal(messages[0], "/websocket/sub/x?y=1");
			assert.equal(messages[1], "echo hello");
			assert.deepEqual([...new Uint8Array(messages[2])], [1, 2]);
			ws.send("bye");
			assert.deepEqual(await end, [4001, "app.bye"]);
		});

		test("destroy", async () => {
			const key = newKey();
			const k = kitchen(key);
			await k.inc(1);
			const id = await k.resolve();
			await client.kitchen.getForId(id).destroy();
			assert.equal(await kitchen(key).get(), 0);
		});

		test("skipReadyWait", async () => {
			const eager = clientOf(host.endpoint, token, encoding, { skipReadyWait: true });
			const k = eager.kitchen.getOrCreate(newKey());
			assert.equal(await k.inc(1), 1);
			assert.equal((await k.fetch("teapot")).status, 418);
			// With a known id the client names the actor in headers, and in sub-protocols, and not in the path.
			const known = eager.kitchen.getForId(await k.resolve());
			assert.equal(await known.inc(1), 2);
			assert.equal((await known.fetch("teapot")).status, 418);
			const conn = known.connect();
			assert.equal(await conn.inc(1), 3);
			await eager.dispose();

			const patient = client.kitchen.getForId(await k.resolve());
			assert.equal((await patient.fetch("teapot", { skipReadyWait: true })).status, 418);
			const one = patient.connect(undefined, { skipReadyWait: true });
			assert.equal(await one.inc(1), 4);
			await one.dispose();
		});

		test("without a token, or with a wrong one", async () => {
			for (const wrong of [undefined, "nonsense"]) {
				const other = clientOf(host.endpoint, wrong, encoding);
				const e = await failure(() => other.kitchen.getOrCreate(newKey()).inc(1));
				assert.equal(e.group, "auth");
				await other.dispose();
			}
		});
	});
}

test("a client goes where the host says", async () => {
	const client = clientOf(host.endpoint, token);
	const url = await client.kitchen.getOrCreate(newKey()).getGatewayUrl();
	assert.ok(url.startsWith(`${host.publicURL}/gateway/kitchen`), url);
	await client.dispose();
});

test("a plain WebSocket at the gateway's URL", async () => {
	const client = clientOf(host.endpoint, token);
	const url = new URL(await client.kitchen.getOrCreate(newKey()).getGatewayUrl());
	const ws = new WebSocket(`${url.origin.replace("http", "ws")}${url.pathname}/websocket/plain${url.search}`);
	const [message, got] = defer<string>();
	ws.on("message", (data) => got(String(data)));
	assert.equal(await message, "/websocket/plain");
	ws.close();
	await client.dispose();
});

test("the host is killed and started again", async () => {
	const client = clientOf(host.endpoint, token);
	const k = client.kitchen.getOrCreate(newKey());
	assert.equal(await k.inc(41), 41);
	await host.stop("SIGKILL");
	await host.start();
	assert.equal(await k.inc(1), 42);
	await client.dispose();
});

// Without a held socket a connection that is lost while the host is down is lost for good.
test("a connection that docs/clients.md keeps comes back", async () => {
	const page = readFileSync(new URL("../../docs/clients.md", import.meta.url), "utf8");
	const code = page.match(/^function keepConnected[^]*?^}$/m)?.[0];
	const { keepConnected } = await import(`data:text/javascript,${encodeURIComponent(`export ${code}`)}`);

	const client = clientOf(host.endpoint, token);
	const k = client.kitchen.getOrCreate(newKey());
	const conns: ReturnType<typeof k.connect>[] = [];
	const seen: number[] = [];
	const last = () => conns[conns.length - 1];
	const end = keepConnected(k, (conn: ReturnType<typeof k.connect>) => {
		conns.push(conn);
		conn.on("count", (n) => seen.push(n));
	});
	assert.equal(await conns[0].inc(1), 1);
	await host.stop("SIGKILL");
	await until("the end of the connection", () => conns[0].connStatus === "idle");
	await host.start();
	await until("another", () => last().connStatus === "connected");
	assert.equal(await last().inc(1), 2);
	assert.deepEqual(seen, [1, 2]);
	await end();
	const made = conns.length;
	assert.equal(last().connStatus, "idle");
	assert.equal(await k.inc(1), 3);
	assert.deepEqual([conns.length, seen], [made, [1, 2]]);
	await client.dispose();
});

// Behind a held socket a restart is a wait: nothing is refused, and what was connected connects again.
for (const signal of ["SIGTERM", "SIGKILL"] as const) {
	test(`a host behind a held socket gets ${signal} and is started again`, async () => {
		const behind = await startHost({ held: true });
		const client = clientOf(behind.endpoint, behind.token("invoke"));
		const k = client.kitchen.getOrCreate(newKey(), { params: { name: "stays" } });
		const conns = [k.connect(), k.connect()];
		const seen = conns.map((): unknown[] => []);
		conns.forEach((c, i) => c.on("count", (n) => seen[i].push(n)));
		assert.equal(await conns[0].inc(1), 1);
		assert.equal(await conns[1].inc(1), 2);
		await behind.stop(signal);
		const stateless = k.inc(1);
		await new Promise((r) => setTimeout(r, 300)); // it is down
		await behind.start();
		assert.equal(await stateless, 3);
		await until("the connections to come back", () => conns.every((c) => c.connStatus === "connected"));
		assert.deepEqual(await conns[0].whoami(), { name: "stays" }); // its subscription came before
		assert.equal(await conns[1].inc(1), 4);
		await until("the events", () => seen.every((s) => s.at(-1) === 4));
		for (const c of conns) await c.dispose();
		await client.dispose();
		await behind.end();
	});
}

/** wrong is never run: each line is one that must not compile, or the compiler complains of it. */
export async function wrong(client: ReturnType<typeof clientOf>) {
	const k = client.kitchen.getOrCreate("x");
	// @ts-expect-error a number is asked for
	await k.inc("1");
	// @ts-expect-error an argument is missing
	await k.inc();
	// @ts-expect-error one too many
	await k.get(1);
	// @ts-expect-error no such action
	await k.decrement(1);
	// @ts-expect-error no such actor
	client.bathroom.getOrCreate("x");
	// @ts-expect-error the result is a number
	const text: string = await k.get();
	// @ts-expect-error no such event
	k.connect().on("counted", () => {});
	// @ts-expect-error no such queue
	await k.send("nowhere", 1);
	return text;
}
