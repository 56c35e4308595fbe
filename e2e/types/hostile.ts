// The declarations of a module whose author means harm are declarations like others: they compile, and
// what they say can be used.
import { createClient } from "rivetkit/client";
import type * as hostile from "./made/hostile.ts";

const client = createClient<hostile.Registry>();

export async function use(): Promise<void> {
  const actor = client.class.get("a");
  const names: hostile.Registry2 = await actor.names();
  const text: string | undefined = names.string;
  await actor["new\nline \u2028 \\"]("anything");
  // @ts-expect-error nothing got out of its quotes
  const evil: unknown = hostile.evil;
  void text, evil;
}
