// A headless Chromium and the static files that it looks at.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** serveFolder serves what vite built and returns its {url, close()}. */
export async function serveFolder(dir) {
	const server = createServer(async (q, r) => {
		const path = normalize(new URL(q.url, "http://x").pathname);
		const file = join(dir, path === "/" ? "index.html" : path);
		const data = await readFile(file).catch(() => null);
		r.writeHead(data ? 200 : 404, { "content-type": types[extname(file)] ?? "text/plain" }).end(data);
	});
	await new Promise((r) => server.listen(0, "127.0.0.1", r));
	return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** launch starts the browser of the machine. */
export const launch = () => chromium.launch({ executablePath: "/usr/bin/chromium", args });

/** visit opens an address in a context of its own: another visitor, as far as the browser is concerned. */
export async function visit(browser, url) {
	const context = await browser.newContext({ viewport: { width: 900, height: 650 }, ignoreHTTPSErrors: true });
	const page = await context.newPage();
	const visitor = { page, sockets: [], errors: [], open: () => visitor.sockets.filter((s) => !s.isClosed()).length, close: () => context.close() };
	page.on("websocket", (s) => visitor.sockets.push(s));
	page.on("pageerror", (e) => visitor.errors.push(e));
	page.setDefaultTimeout(30_000);
	await page.goto(url);
	return visitor;
}
