// Starts a real host with guests, as an operator would: built from source, in production mode, with tokens.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** freePort returns a port of loopback that nobody listens on. */
export const freePort = () =>
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
	execFileSync("go", ["build", "-o", binary, "./e2e/harness/hold"], { cwd: root, stdio: "inherit" });
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

/** certificate makes a key and a certificate for loopback, signed by itself, and returns the flags that use them. */
function certificate(dir) {
	const goroot = execFileSync("go", ["env", "GOROOT"], { encoding: "utf8" }).trim();
	const make = ["run", join(goroot, "src/crypto/tls/generate_cert.go"), "--host", "127.0.0.1", "--ca"];
	execFileSync("go", make, { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
	return ["--tls-cert", join(dir, "cert.pem"), "--tls-key", join(dir, "key.pem")];
}

/** isReady reports whether the host takes work. Nobody has signed its certificate, if it has one. */
const isReady = (endpoint) =>
	new Promise((resolve) => {
		const { get } = endpoint.startsWith("https") ? https : http;
		get(endpoint + "/readyz", { rejectUnauthorized: false, agent: false }, (r) => {
			r.resume();
			resolve(r.statusCode === 200);
		}).on("error", () => resolve(false));
	});

/**
 * startHost returns a Host, see host.d.mts, that runs guests, named by their folders. The socket of a held host stays
 * open while the host is stopped, so who connects waits. A publicPath is where the host tells clients to go.
 */
export async function startHost({ held = false, tls = false, publicPath = "", guests = ["guest-sdk/testguests/kitchen"] } = {}) {
	const dir = mkdtempSync(join(tmpdir(), "vivarium-e2e-"));
	const binary = join(dir, "host");
	const key = join(dir, "key");
	const env = { ...process.env, ...(tls && { SSL_CERT_FILE: join(dir, "cert.pem") }) };
	const cli = (...args) => execFileSync(binary, args, { encoding: "utf8", cwd: root, env }).trim();
	execFileSync("go", ["build", "-o", binary, "./cmd/host"], { cwd: root, stdio: "inherit" });
	cli("key", key);
	const port = await freePort();
	const endpoint = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
	const listen = `127.0.0.1:${port}`;
	const publicURL = endpoint + publicPath;
	const flags = [...(publicPath ? ["--public-url", publicURL] : []), ...(tls ? certificate(dir) : [])];
	const command = [binary, "serve", "--data", join(dir, "data"), "--key-file", key, "--listen", listen, "--log-level", "warn", ...flags];
	const ready = () => until("the host", () => isReady(endpoint));
	const { start, stop, end: kill } = held ? await hold(dir, listen, command) : alone(command, ready);
	const token = (role) => cli("token", "--key-file", key, "--role", role, "--namespace", "default", "--subject", "ann");
	const types = (module, file) => cli("types", module, "--url", endpoint, "--token", token("read"), "--out", resolve(file));
	const end = async () => {
		await kill();
		rmSync(dir, { recursive: true, force: true });
	};
	try {
		if (!held) await start();
		await ready();
		for (const guest of guests) cli("deploy", join(root, guest), "--url", endpoint, "--token", token("deploy"));
	} catch (e) {
		await end();
		throw e;
	}
	return { endpoint, publicURL, token, types, start, stop, end };
}
