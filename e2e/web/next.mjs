// The example in Next.js: a server action calls an actor, and the page hears of it.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { visit } from "./browser.mjs";
import { serve } from "./serve.mjs";
import { call } from "./world.mjs";

const cwd = fileURLToPath(new URL("../../examples/next", import.meta.url));

export function next(world) {
	let site, secret;
	before(async () => {
		secret = world.host.token("admin");
		const env = {
			NEXT_TELEMETRY_DISABLED: "1",
			VIVARIUM_URL: world.host.endpoint,
			VIVARIUM_TOKEN: secret,
			NEXT_PUBLIC_VIVARIUM_URL: world.host.endpoint,
			NEXT_PUBLIC_VIVARIUM_TOKEN: world.host.token("invoke"),
		};
		execFileSync("npx", ["next", "build"], { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "inherit"] });
		site = await serve(["node", "node_modules/next/dist/bin/next", "start", "--hostname", "127.0.0.1"], { cwd, env });
	});
	after(() => site?.end());

	test("its types are those of the guest", () => {
		const [a, b] = ["next/app", "web/src"].map((d) => readFileSync(`${cwd}/../${d}/actors/counter.d.ts`, "utf8"));
		assert.equal(a, b);
	});

	test("a server action counts and the client component shows it", async () => {
		await call(world, "counter", "next", "increment", 5);
		const v = await visit(world.browser, site.url);
		const count = (n) => v.page.getByLabel("count").getByText(n, { exact: true }).waitFor();
		await count("5");
		await v.page.getByRole("button").click();
		await count("6");
		await call(world, "counter", "next", "increment", 4);
		await count("10");
		assert.equal(v.open(), 1);
		assert.deepEqual(v.errors, []);
		await v.close();
	});

	test("the server's token is not in what browsers get", () => {
		const look = (text) => spawnSync("grep", ["-rqF", text, `${cwd}/.next/static`]).status;
		assert.equal(look(world.host.endpoint), 0); // it is looked for where it would be
		assert.equal(look(secret), 1);
	});
}
