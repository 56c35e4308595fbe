// For the runtimes that run scripts: it takes its arguments as JSON and prints what it saw.
import { call } from "./caller.mjs";

console.log(JSON.stringify(await call(JSON.parse(process.argv.at(-1)))));
process.exit(0);
