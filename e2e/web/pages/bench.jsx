import { useState } from "react";
import { setting, useActor } from "./rivet";

/** Bench has so many components on one actor as the page's address says, and buttons for what happens to them. */
export function Bench() {
	const [shown, setShown] = useState(true);
	const [enabled, setEnabled] = useState(setting("enabled") !== "false");
	const [key, setKey] = useState(setting("key"));
	return (
		<>
			<button onClick={() => setShown(!shown)}>mount</button>
			<button onClick={() => setEnabled(!enabled)}>enable</button>
			<button onClick={() => setKey(key + "-other")}>rekey</button>
			{shown && Array.from({ length: Number(setting("copies") ?? 1) }, (_, i) => <Watcher key={i} actorKey={key} enabled={enabled} />)}
		</>
	);
}

/** Watcher shows what it knows of a counter, and how many events told it. */
function Watcher({ actorKey, enabled }) {
	const counter = useActor({ name: "counter", key: [actorKey], enabled });
	const [seen, setSeen] = useState({ count: "none", events: 0 });
	counter.useEvent("count", (count) => setSeen((s) => ({ count, events: s.events + 1 })));
	return (
		<p data-status={counter.connStatus} data-count={seen.count} data-events={seen.events}>
			{counter.connStatus}
		</p>
	);
}
