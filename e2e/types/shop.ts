// What compiles and what does not, against the declarations that a test of the host compares. The compiler
// complains of a line that is said not to compile, and does.
import { createClient } from "rivetkit/client";
import type { Inputs, Params, Registry } from "./made/shop.ts";

const client = createClient<Registry>("http://127.0.0.1:6420");

const input: Inputs["counter"] = { start: 40 };
const counter = client.counter.getOrCreate(["lobby"], { createWithInput: input });

export async function right(): Promise<number> {
  const n: number = await counter.increment(2);
  const nothing: void = await counter.reset();
  await counter.reset(null);
  await counter.reset(5);
  const whatever = await counter.untyped("a", 1);
  const room = client["chat-room"].getOrCreate("lobby");
  const message = await room.post({ text: "hello", kind: "loud", replies: [null, { text: "yes" }], meta: { at: 1 } });
  const kind: "plain" | "loud" | 3 | null | undefined = message.kind;
  const ids: string[] = (await room.list()).map((m) => m.id);
  const kids = (await room.tree("a", "b")).kids?.[0]?.kids;
  await room.send("jobs", { n: 1 });
  const params: Params["chat-room"] = { name: "ann" };
  const connection = room.connect(params);
  await connection.post({ text: "by a socket" });
  return n + ids.length + [nothing, whatever, kind, kids].length;
}

export function events(): void {
  const connection = counter.connect();
  connection.on("count", (n, who) => n.toFixed() + who.trim());
  connection.on("untyped", (a, b, c) => a + b + c);
  // @ts-expect-error an event that the actor does not have
  connection.on("counted", () => {});
  // @ts-expect-error its argument is a number
  connection.on("count", (n: string) => n);
}

export async function wrong(): Promise<void> {
  // @ts-expect-error a string is no number
  await counter.increment("2");
  // @ts-expect-error an argument is missing
  await counter.increment();
  // @ts-expect-error one too many
  await counter.increment(1, 2);
  // @ts-expect-error no such action
  await counter.decrement(1);
  // @ts-expect-error no such actor
  client.counters.getOrCreate("a");
  // @ts-expect-error the result is a number
  const s: string = await counter.get();
  const room = client["chat-room"].getOrCreate("lobby");
  // @ts-expect-error a member is missing
  await room.post({ kind: "loud" });
  // @ts-expect-error no such kind
  await room.post({ text: "a", kind: "quiet" });
  // @ts-expect-error deep inside
  await room.post({ text: "a", replies: [{ text: 5 }] });
  // @ts-expect-error no such member
  await room.post({ text: "a", txt: "b" });
  // @ts-expect-error the body has another type
  await room.send("jobs", { n: "1" });
  // @ts-expect-error no such queue
  await room.send("job", { n: 1 });
  // @ts-expect-error the input has another type
  const bad: Inputs["counter"] = { start: "40" };
  void s, bad;
}
