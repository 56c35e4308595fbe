import { createRivetKit } from "@rivetkit/react";
import type { Registry } from "rivetkit";
import type { Actors as Chatroom } from "./actors/chatroom.d.ts";
import type { Actors as Counter } from "./actors/counter.d.ts";

/** The hooks of all actors that the app uses; types by `host types`. Without settings it is `host dev` on this machine. */
export const { useActor } = createRivetKit<Registry<Chatroom & Counter>>({
  endpoint: import.meta.env.VITE_ENDPOINT ?? "http://127.0.0.1:6420",
  token: import.meta.env.VITE_TOKEN,
});
