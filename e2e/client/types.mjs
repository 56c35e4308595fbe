// Writes made/kitchen.ts, the declarations that a host gives of the kitchen, for the compiler.
import { mkdirSync } from "node:fs";
import { startHost } from "../harness/host.mjs";

mkdirSync("made", { recursive: true });
const host = await startHost();
host.types("kitchen", "made/kitchen.ts");
await host.end();
