// What bench measures, in AssemblyScript: the counter of the examples, the room and the desk of ../guest in one plain
// module. An action gets the list of its arguments as JSON, and the state is a number.
import * as host from "../../guest-sdk/bindings/assemblyscript/vivarium";

const NAME = "bench-as"; // which the module is uploaded under

export function nop(): i32 {
  return 0;
}

export function increment(): i32 {
  const count = state() + I64.parseInt(inside(args()));
  keep(count);
  host.broadcast(host.utf8("count"), host.utf8("[" + count.toString() + "]"));
  return answer(count);
}

export function get(): i32 {
  return answer(state());
}

// say repeats what it is told to all who have subscribed.
export function say(): i32 {
  host.broadcast(host.utf8("said"), host.input());
  return failed();
}

export function put(): i32 {
  const list = host.input(); // ["text"], which needs no escapes
  host.kv_put(host.utf8("item"), list.subarray(2, list.length - 2));
  return failed();
}

export function size(): i32 {
  const item = host.kv_get(host.utf8("item"));
  return answer(item === null ? 0 : item.length);
}

// one is what ask and fan call.
export function one(): i32 {
  return answer(1);
}

export function ask(): i32 {
  return answer(call(unquoted(inside(args()))));
}

// fan asks so many others and gives the sum of their answers.
export function fan(): i32 {
  const list = inside(args()).split(",");
  const key = unquoted(list[0]);
  const n = <i32>I32.parseInt(list[1]);
  let sum: i64 = 0;
  for (let i = 0; i < n; i++) sum += call(key + "-" + i.toString());
  return answer(sum);
}

// remind has ring called at a moment, in milliseconds since 1970.
export function remind(): i32 {
  keep(-1);
  const due = inside(args());
  host.schedule_set(host.utf8('{"action":"ring","at":' + due + "}"), host.input());
  return failed();
}

export function ring(): i32 {
  keep(host.now() - I64.parseInt(inside(args())));
  return failed();
}

export function late(): i32 {
  return answer(state());
}

export function rest(): i32 {
  host.sleep();
  return failed();
}

// woken cannot be told by a plain module, which has no hooks.
export function woken(): i32 {
  return answer(1);
}

// call asks another actor for its number, which stands in the envelope of the reply.
function call(key: string): i64 {
  const target = '{"name":"' + NAME + '","key":["' + key + '"],"create":true}';
  const reply = host.call(host.utf8(target), host.utf8("one"), host.utf8("[]"));
  return reply === null ? 0 : <i64>(reply.length > 0 && reply[reply.length - 1] == 0x31);
}

function args(): string {
  return host.text(host.input());
}

function inside(list: string): string {
  return list.substring(1, list.length - 1);
}

function unquoted(s: string): string {
  return s.substring(1, s.length - 1);
}

function state(): i64 {
  const kept = host.state_get();
  return kept === null ? 0 : I64.parseInt(host.text(kept));
}

function keep(n: i64): void {
  host.state_set(host.utf8(n.toString()));
}

function answer(n: i64): i32 {
  host.plain_output(host.utf8(n.toString()));
  return failed();
}

function failed(): i32 {
  return host.failed() == 0 ? 0 : host.plain_error(host.failed().toString() + " " + host.message());
}

// abort ends the turn: AssemblyScript calls it where others throw.
function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  host.log(host.LEVEL_ERROR, host.utf8(message === null ? "abort" : message));
  unreachable();
}
