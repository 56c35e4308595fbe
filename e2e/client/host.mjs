// Starts a real host with the kitchen, as an operator would: built from source, in production mode, with tokens.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

/** startHost returns {endpoint, token(role), stop(signal), start()}. */
export async function startHost() {
	const dir = mkdtempSync(join(tmpdir(), "vivarium-e2e-"));
	const binary = join(dir, "host");
	const key = join(dir, "key");
	const cli = (...args) => execFileSync(binary, args, { encoding: "utf8", cwd: root }).trim();
	execFileSync("go", ["build", "-o", binary, "./cmd/host"], { cwd: root, stdio: "inherit" });
	cli("key", key);
	const port = await freePort();
	const endpoint = `http://127.0.0.1:${port}`;
	let child, ended;

	const start = async () => {
		child = spawn(binary, ["serve", "--data", join(dir, "data"), "--key-file", key, "--listen", `127.0.0.1:${port}`, "--log-level", "warn"], {
			stdio: ["ignore", "inherit", "inherit"],
		});
		ended = new Promise((r) => child.on("exit", r));
		await until("the host", async () => (await fetch(endpoint + "/readyz").catch(() => null))?.ok);
	};
	const stop = async (signal = "SIGKILL") => {
		child.kill(signal);
		await ended;
	};
	const token = (role) => cli("token", "--key-file", key, "--role", role, "--namespace", "default", "--subject", "ann");
	await start();
	cli("deploy", guest, "--url", endpoint, "--token", token("deploy"));
	const end = async () => {
		await stop();
		rmSync(dir, { recursive: true, force: true });
	};
	return { endpoint, token, start, stop, end };
}
