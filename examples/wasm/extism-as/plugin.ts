// A plain Extism module: it knows nothing of Vivarium. Each export is an action of its actor.
import { Config, Host, LogLevel, Memory, Var } from "@extism/as-pdk";
import { error_set } from "@extism/as-pdk/lib/env";

// echo gives its input back, any bytes.
export function echo(): i32 {
  Host.output(Host.input());
  return 0;
}

// greet takes a name and gives a greeting.
export function greet(): i32 {
  output("Hello, " + Host.inputString() + "!");
  return 0;
}

// count counts its calls, in an Extism var, and gives the number.
export function count(): i32 {
  const before = Var.getString("count");
  const n = (before === null ? 0 : I32.parseInt(before)) + 1;
  Var.set("count", utf8(n.toString()));
  output(n.toString());
  return 0;
}

// conf gives the setting whose name is the input, and nothing if there is none.
export function conf(): i32 {
  const value = Config.get(Host.inputString());
  if (value !== null) output(value);
  return 0;
}

// fail changes the var, and then refuses. What it changed does not stay.
export function fail(): i32 {
  Var.set("count", utf8("1000"));
  error_set(Memory.allocateString("refused: zu spät").offset);
  return 1;
}

// crash changes the var, and then traps.
export function crash(): i32 {
  Var.set("count", utf8("2000"));
  unreachable();
  return 0;
}

// logs writes its input to the log, at four levels.
export function logs(): i32 {
  const text = Host.inputString();
  Host.log(LogLevel.Debug, text);
  Host.log(LogLevel.Info, text);
  Host.log(LogLevel.Warn, text);
  Host.log(LogLevel.Error, text);
  return 0;
}

// output replaces Host.outputString of as-pdk 1.0.0, which counts characters where bytes are meant
// and so loses the end of a text that is not ASCII.
function output(text: string): void {
  Host.output(utf8(text));
}

function utf8(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

// abort takes the place of the import env.abort, which Extism hosts do not have.
function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  error_set(Memory.allocateString((message === null ? "abort" : message) + " at line " + line.toString()).offset);
  unreachable();
}
