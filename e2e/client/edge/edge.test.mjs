// Rivet's published client in other runtimes than Node, against a real host.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import workerdPackage from "workerd";
import { startHost } from "../host.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const bin = (name) => `${here}node_modules/.bin/${name}`;
// Without its install script, which is left out, the command bun does not find its binary.
const bun = `${here}node_modules/@oven/bun-${process.platform}-${process.arch === "arm64" ? "aarch64" : "x64"}/bin/bun`;

let host;
before(async () => {
	host = await startHost();
});
after(() => host.end());

/** script runs the caller with a command. */
const script = (...command) => async (args) => {
	const { stdout } = await promisify(execFile)(command[0], [...command.slice(1), "script.mjs", JSON.stringify(args)], { cwd: here, timeout: 60_000 });
	return JSON.parse(stdout);
};

/** workerd bundles the caller and serves it. */
function workerd() {
	execFileSync(bin("esbuild"), ["worker.mjs", "--bundle", "--format=esm", "--platform=browser", "--conditions=workerd,worker,browser", "--external:node:*", "--external:cloudflare:*", "--log-level=error", "--outfile=node_modules/worker.js"], { cwd: here, stdio: "inherit" });
	const child = spawn(workerdPackage.default, ["serve", "config.capnp", "--control-fd=3"], { cwd: here, stdio: ["ignore", "ignore", "inherit", "pipe"] });
	const listening = new Promise((tell, fail) => {
		createInterface(child.stdio[3]).once("line", (line) => tell(JSON.parse(line).port));
		child.once("exit", (code) => fail(new Error(`workerd ended with ${code}`)));
	});
	const run = async (args) => {
		const answer = await fetch(`http://127.0.0.1:${await listening}/`, { method: "POST", body: JSON.stringify(args), signal: AbortSignal.timeout(60_000) });
		assert.equal(answer.status, 200, await answer.clone().text());
		return answer.json();
	};
	return { run, end: () => child.kill("SIGKILL") };
}

const seen = { action: 2, bytes: [1, 2, 3], error: "user/bad_name", connected: 5, event: 5 };

for (const [runtime, command] of [["node", [process.execPath]], ["bun", [bun]], ["deno", [bin("deno"), "run", "--no-prompt", "--allow-net", "--allow-env", "--allow-read", "--allow-sys"]], ["workerd", null]]) {
	describe(runtime, () => {
		let run, worker;
		before(() => {
			if (command) run = script(...command);
			else ({ run } = worker = workerd());
		});
		after(() => worker?.end());
		for (const encoding of ["bare", "cbor", "json"]) {
			test(encoding, async () => {
				assert.deepEqual(await run({ endpoint: host.endpoint, token: host.token("invoke"), encoding, key: `${runtime}-${encoding}` }), seen);
			});
		}
	});
}
