"use client";

import { createRivetKit } from "@rivetkit/react";
import { useEffect, useState } from "react";
import type { Registry } from "./actors/counter.d.ts";

// Next.js writes NEXT_PUBLIC_… into the page when it is built, so this token is for anyone to read.
const { useActor } = createRivetKit<Registry>({
  endpoint: process.env.NEXT_PUBLIC_VIVARIUM_URL ?? "http://127.0.0.1:6420",
  token: process.env.NEXT_PUBLIC_VIVARIUM_TOKEN,
});

/** Counter shows the count, whoever changes it. */
export function Counter() {
  const { connection, connStatus, useEvent } = useActor({ name: "counter", key: ["next"] });
  const [count, setCount] = useState<number>();

  useEvent("count", setCount);
  // Whenever it is connected, also again, ask for what was missed.
  useEffect(() => {
    if (connStatus !== "connected" || !connection) return;
    connection.get().then(setCount, console.error);
  }, [connection, connStatus]);

  return (
    <p>
      <output aria-label="count">{count ?? "…"}</output> ({connStatus})
    </p>
  );
}
