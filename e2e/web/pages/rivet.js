import { createRivetKit, createRivetKitWithClient } from "@rivetkit/react";
import { createClient } from "rivetkit-newer/client";

const query = new URLSearchParams(location.search);

/** setting is what the page's address says. */
export const setting = (name) => query.get(name) || undefined;

const encoding = setting("encoding");
const config = { endpoint: setting("endpoint"), token: setting("token"), ...(encoding && { encoding }) };

/** client is of the version that Rivet's packages for React do not have yet. */
export const client = createClient(config);

export const { useActor } = setting("newer") ? createRivetKitWithClient(client) : createRivetKit(config);
