import type { ActorConnStatus } from "@rivetkit/react";
import { useEffect, useState } from "react";

interface Props {
  connection: { onError(f: (e: Error) => void): () => void } | null;
  connStatus: ActorConnStatus;
}

/** Status says how a connection is, and what is wrong with it. */
export function Status({ connection, connStatus }: Props) {
  const [problem, setProblem] = useState("");
  // The error that useActor returns is gone at once: who is refused connects again, with no error yet.
  useEffect(() => connection?.onError((e) => setProblem(e.message)), [connection]);
  useEffect(() => {
    if (connStatus === "connected") setProblem("");
  }, [connStatus]);
  return (
    <span className={`status ${connStatus}`} role="status">
      {[connStatus, problem].filter(Boolean).join(": ")}
    </span>
  );
}
