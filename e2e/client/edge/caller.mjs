// What a caller does with a host, the same in every runtime: it returns what it saw.
import { createClient } from "rivetkit/client";

export async function call({ endpoint, token, encoding, key }) {
	const client = createClient({ endpoint, token, encoding });
	const kitchen = client.kitchen.getOrCreate([key]);
	const seen = { action: await kitchen.inc(2), bytes: [...(await kitchen.echo(new Uint8Array([1, 2, 3])))] };
	seen.error = await kitchen.fail().catch((e) => `${e.group}/${e.code}`);
	const conn = kitchen.connect();
	const event = new Promise((heard) => conn.once("count", heard));
	await conn.nothing(); // the subscription is there when this is answered
	seen.connected = await conn.inc(3);
	seen.event = await event;
	await conn.dispose();
	await client.dispose();
	return seen;
}
