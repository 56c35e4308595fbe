// Notes in AssemblyScript: a plain module, each export of which is an action with one argument, a text, as
// input. It keeps their number in the state and each note in an item of its own.
import * as host from "../../../guest-sdk/bindings/assemblyscript/vivarium";

// add keeps a note, tells who listens, and gives the number of notes.
export function add(): i32 {
  const n = count_notes() + 1;
  const number = n.toString();
  host.kv_put(host.utf8("note/" + number.padStart(6, "0")), host.input());
  if (host.failed() != 0) return refused();
  host.state_set(host.utf8(number));
  host.broadcast(host.utf8("added"), host.utf8("[" + number + "]"));
  if (host.failed() != 0) return refused();
  host.plain_output(host.utf8(number));
  return 0;
}

// count gives the number of notes.
export function count(): i32 {
  host.plain_output(host.utf8(count_notes().toString()));
  return 0;
}

// list gives all notes, a line each.
export function list(): i32 {
  const none = new Uint8Array(0);
  const page = host.kv_list(host.utf8("note/"), none, none, 0, host.LIST_PREFIX);
  if (page === null) return refused();
  const items = host.page_items(page);
  const lines: string[] = [];
  for (let i = 0; i < items.length; i++) lines.push(host.text(items[i].value));
  host.plain_output(host.utf8(lines.join("\n")));
  return 0;
}

// forget deletes all notes and gives their number.
export function forget(): i32 {
  const n = host.kv_delete_range(host.utf8("note/"), new Uint8Array(0), 0, host.LIST_PREFIX);
  if (host.failed() != 0) return refused();
  host.state_set(host.utf8("0"));
  host.plain_output(host.utf8(n.toString()));
  return 0;
}

// refuse adds a note, and then does not want it: nothing of it stays.
export function refuse(): i32 {
  add();
  return host.plain_error("refused: " + host.text(host.input()));
}

// toolong shows what an operation says that failed: its code and its message.
export function toolong(): i32 {
  host.kv_put(new Uint8Array(<i32>host.MAX_KV_KEY + 1), host.input());
  host.plain_output(host.utf8(host.failed().toString() + " " + host.message()));
  return 0;
}

// remind adds a note a moment later, in a turn of its own, and gives the schedule's id.
export function remind(): i32 {
  const id = host.schedule_set(host.utf8('{"action":"add","after":20}'), host.utf8('["' + host.text(host.input()) + '"]'));
  if (id === null) return refused();
  host.plain_output(id);
  return 0;
}

function count_notes(): i64 {
  const state = host.state_get();
  return state === null ? 0 : I64.parseInt(host.text(state));
}

function refused(): i32 {
  return host.plain_error(host.failed().toString() + " " + host.message());
}

// abort ends the turn: AssemblyScript calls it where others throw.
function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  host.log(host.LEVEL_ERROR, host.utf8(message === null ? "abort" : message));
  unreachable();
}
