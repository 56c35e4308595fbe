import { useEffect, useState } from "react";
import { useActor } from "./rivet";
import { Status } from "./Status";

/** Counter is a number that all visitors of a room share: one actor for each room. */
export function Counter({ room }: { room: string }) {
  const counter = useActor({ name: "counter", key: [room] });
  const [count, setCount] = useState<number>();
  const { connection, connStatus } = counter;

  counter.useEvent("count", setCount);
  // Whenever it is connected, also again, ask for what was missed.
  useEffect(() => {
    if (connStatus !== "connected" || !connection) return;
    connection.get().then(setCount, console.error);
  }, [connection, connStatus]);

  return (
    <section className="counter">
      <output aria-label="count">{count ?? "…"}</output>
      <button disabled={connStatus !== "connected"} onClick={() => connection?.increment(1).catch(console.error)}>
        count one more
      </button>
      <Status connection={connection} connStatus={connStatus} />
    </section>
  );
}
