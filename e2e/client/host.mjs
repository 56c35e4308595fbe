// Starts a real host with the kitchen, as an operator would: built from source, in production mode, with tokens.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const guest = join(root, "guest-sdk/testguests/kitchen");

const freePort = () =>
	new Promise((resolve, reject) => {
		const s = createServer();
		s.on("error", reject);
		s.listen(0, "127.0.0.1", () => {
			const { port } = s.address();
			s.close(() => resolve(port));
		});
	});

/** until waits for f to give something. */
export async function until(what, f, ms = 30_000) {
	const end = Date.now() + ms;
	for (;;) {
		const got = await f();
		if (got) return got;
		if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
		await new Promise((r) => setTimeout(r, 10));
	}
}

/** alone runs a host that listens itself. */
function alone(command, ready) {
	let child, ended;
	const start = async () => {
		child = spawn(command[0], command.slice(1), { stdio: ["ignore", "inherit", "inherit"] });
		ended = new Promise((r) => child.on("exit", r));
		await ready();
	};
	const stop = async (signal = "SIGKILL") => {
		child.kill(signal);
		await ended;
	};
	return { start, stop, end: stop };
}

/** hold runs a host behind a socket that is held: see hold/main.go. */
async function hold(dir, listen, command) {
	const binary = join(dir, "hold");
	execFileSync("go", ["build", "-o", binary, "./e2e/client/hold"], { cwd: root, stdio: "inherit" });
	const child = spawn(binary, [listen, ...command], { stdio: ["pipe", "pipe", "inherit"] });
	const ended = new Promise((r) => child.on("exit", r));
	const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
	const say = async (line) => {
		child.stdin.write(line + "\n");
		const got = await lines.next();
		if (got.value !== line) throw new Error(`hold said ${got.value} to ${line}`);
	};
	return {
		start: () => say("start"),
		stop: (signal = "SIGKILL") => say(signal === "SIGKILL" ? "kill" : "term"),
		end: async () => {
			child.stdin.end();
			await ended;
		},
	};
}

/**
 * startHost returns a Host, see host.d.mts. The socket of a held host stays open while
 * the host is stopped, so who connects waits.
 */
export async function startHost({ held = false } = {}) {
	const dir = mkdtempSync(join(tmpdir(), "vivarium-e2e-"));
	const binary = join(dir, "host");
	const key = join(dir, "key");
	const cli = (...args) => execFileSync(binary, args, { encoding: "utf8", cwd: root }).trim();
	execFileSync("go", ["build", "-o", binary, "./cmd/host"], { cwd: root, stdio: "inherit" });
	cli("key", key);
	const port = await freePort();
	const endpoint = `http://127.0.0.1:${port}`;
	const listen = `127.0.0.1:${port}`;
	const publicURL = `${endpoint}/viv`; // where clients then go, though they are given the endpoint
	const command = [binary, "serve", "--data", join(dir, "data"), "--key-file", key, "--listen", listen, "--log-level", "warn", "--public-url", publicURL];
	const ready = () => until("the host", async () => (await fetch(endpoint + "/readyz").catch(() => null))?.ok);
	const { start, stop, end: kill } = held ? await hold(dir, listen, command) : alone(command, ready);
	const token = (role) => cli("token", "--key-file", key, "--role", role, "--namespace", "default", "--subject", "ann");
	if (!held) await start();
	await ready();
	cli("deploy", guest, "--url", endpoint, "--token", token("deploy"));
	const types = (module, file) => cli("types", module, "--url", endpoint, "--token", token("read"), "--out", resolve(file));
	const end = async () => {
		await kill();
		rmSync(dir, { recursive: true, force: true });
	};
	return { endpoint, publicURL, token, types, start, stop, end };
}
