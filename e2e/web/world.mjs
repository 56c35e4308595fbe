// What the tests ask of the host and of pages.
import { until } from "../harness/host.mjs";

let number = 0;

/** newKey returns the key of an actor that no other test has. */
export const newKey = () => `web-${process.pid}-${number++}`;

/** connections returns those that the host has with an actor; with none if there is no such actor. */
export async function connections({ host }, name, key) {
	const ask = async (path) => (await fetch(host.endpoint + path, { headers: { authorization: `Bearer ${host.token("read")}` } })).json();
	const { actors } = await ask(`/actors?name=${name}&key=${key}`);
	return actors.length ? (await ask(`/actors/${actors[0].actor_id}/connections`)).connections : [];
}

/** connected waits until the host has so many connections with an actor, each with a subscription if one is named. */
export const connected = (world, name, key, n, event) =>
	until(`${n} connections with ${name}/${key}`, async () => {
		const all = await connections(world, name, key);
		return all.length === n && all.every((c) => !event || c.subscriptions.includes(event));
	});

/** call calls an action as some other program would, and returns its result. */
export async function call({ host, token }, name, key, action, ...args) {
	const url = `${host.endpoint}/gateway/${name}/action/${action}?rvt-method=getOrCreate&rvt-key=${key}`;
	const r = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify({ args }) });
	const answer = await r.json();
	if (!r.ok) throw new Error(JSON.stringify(answer));
	return answer.output;
}
