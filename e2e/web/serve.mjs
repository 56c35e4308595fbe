// Servers of the examples, as processes of their own.
import { spawn } from "node:child_process";
import { freePort, until } from "../harness/host.mjs";

/** serve runs a command with a port in its environment and returns its {url, end()} once it answers. */
export async function serve(command, { cwd, env }) {
	const port = await freePort();
	const child = spawn(command[0], command.slice(1), { cwd, env: { ...process.env, ...env, PORT: `${port}` }, stdio: ["ignore", "ignore", "inherit"] });
	const ended = new Promise((r) => child.on("exit", r));
	const url = `http://127.0.0.1:${port}`;
	const end = async () => {
		child.kill();
		await ended;
	};
	const answers = async () => {
		if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}`);
		return (await fetch(url).catch(() => null))?.ok;
	};
	await until(`an answer of ${command}`, answers).catch(async (e) => {
		await end();
		throw e;
	});
	return { url, end };
}
