import { useEffect, useState } from "react";
import { client, setting, useActor } from "./rivet";

/** Calls makes calls without a connection, of both versions of the client, and shows what came of them. */
export function Calls() {
	const { handle } = useActor({ name: "counter", key: [setting("key")] });
	return (
		<>
			{handle && <Call id="react" call={() => handle.increment(1)} />}
			{handle && <Call id="resolved" call={() => handle.resolve()} />}
			<Call id="newer" call={() => client.counter.getOrCreate([setting("key")]).increment(1)} />
		</>
	);
}

function Call({ id, call }) {
	const [text, setText] = useState();
	useEffect(() => {
		call().then((v) => setText(`got ${v}`), (e) => setText(`failed ${e}`));
	}, []);
	return <p id={id}>{text}</p>;
}
