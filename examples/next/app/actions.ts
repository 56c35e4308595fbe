"use server";

import { createClient } from "rivetkit/client";
import type { Registry } from "./actors/counter.d.ts";

// The server's own client. Its token is not in the page.
const client = createClient<Registry>({
  endpoint: process.env.VIVARIUM_URL ?? "http://127.0.0.1:6420",
  token: process.env.VIVARIUM_TOKEN,
});

/** increment counts one more; the answer is here when the count is on disk. */
export async function increment() {
  await client.counter.getOrCreate(["next"]).increment(1);
}
