// Code generated from the table of operations in hostfuncs; DO NOT EDIT. Run `make generate`.
//
// Operations of Vivarium for guests. The contract is guest-sdk/ABI.md. An operation returns zero or more if it
// succeeded, -1 if there is no such thing, and below that a code, negated, whose message can be fetched. The
// plain_ functions are for plain modules, whose actions are their exports: they go by Extism's memory.

// Numbers.

export const ABSENT: i64 = -1; // what an operation returns for "there is none"
export const LIST_REVERSE: i64 = 1; // flag of kv_list and kv_delete_range: from the end of the range
export const LIST_KEYS: i64 = 2; // flag: leave the values out
export const LIST_PREFIX: i64 = 4; // flag: lo is a prefix, hi is ignored
export const LEVEL_TRACE: i64 = 0; // level of a line in the log
export const LEVEL_DEBUG: i64 = 1; // level of a line in the log
export const LEVEL_INFO: i64 = 2; // level of a line in the log
export const LEVEL_WARN: i64 = 3; // level of a line in the log
export const LEVEL_ERROR: i64 = 4; // level of a line in the log
export const CODE_CORE_INTERNAL_ERROR: i64 = 1; // An internal error occurred
export const CODE_GUARD_INVALID_REQUEST: i64 = 2; // The request is malformed
export const CODE_USER_USER_ERROR: i64 = 3; // The actor refused the request
export const CODE_RIVETKIT_INTERNAL_ERROR: i64 = 4; // An internal error occurred
export const CODE_AUTH_UNAUTHENTICATED: i64 = 5; // A valid token is required
export const CODE_AUTH_FORBIDDEN: i64 = 6; // The token does not allow this
export const CODE_API_NOT_FOUND: i64 = 7; // No such route
export const CODE_API_METHOD_NOT_ALLOWED: i64 = 8; // The route does not take this method
export const CODE_MESSAGE_INCOMING_TOO_LONG: i64 = 9; // The body is too large
export const CODE_GUARD_REQUEST_TIMEOUT: i64 = 10; // The request did not arrive in time
export const CODE_GUARD_UNSUPPORTED_MEDIA_TYPE: i64 = 11; // The content type is not supported
export const CODE_NAMESPACE_NOT_FOUND: i64 = 12; // No such namespace
export const CODE_NAMESPACE_EXISTS: i64 = 13; // The namespace exists
export const CODE_MODULE_NOT_FOUND: i64 = 14; // No such module or version
export const CODE_MODULE_MALFORMED: i64 = 15; // The body is not a WebAssembly module
export const CODE_MODULE_LIMIT_EXCEEDED: i64 = 16; // The module breaks a limit
export const CODE_MODULE_UNRESOLVED_IMPORT: i64 = 17; // The module imports what this host does not have
export const CODE_MODULE_INVALID: i64 = 18; // The module cannot run
export const CODE_MODULE_NAME_TAKEN: i64 = 19; // An actor name belongs to another module
export const CODE_MODULE_IN_USE: i64 = 20; // The module has actors
export const CODE_ACTOR_NOT_FOUND: i64 = 21; // No such actor
export const CODE_ACTOR_DUPLICATE_KEY: i64 = 22; // An actor with this key exists
export const CODE_ACTOR_INVALID_KEY: i64 = 23; // The actor key is not valid
export const CODE_ACTOR_ACTION_NOT_FOUND: i64 = 24; // The actor has no such action
export const CODE_ACTOR_ACTION_TIMED_OUT: i64 = 25; // The action took too long
export const CODE_ACTOR_OVERLOADED: i64 = 26; // Too many requests wait for this actor
export const CODE_ACTOR_TRAPPED: i64 = 27; // The actor's code failed
export const CODE_ACTOR_NO_VERSION: i64 = 28; // No live module version defines this actor
export const CODE_ACTOR_OUTCOME_UNKNOWN: i64 = 29; // The store could not say whether the action was saved
export const CODE_ACTOR_REPLY_LOST: i64 = 30; // The actor was reset before it answered
export const CODE_GUARD_SERVICE_UNAVAILABLE: i64 = 31; // The host is stopping
export const CODE_CORE_STORAGE_FULL: i64 = 32; // The store takes no more writes
export const CODE_ACTOR_DELTA_TOO_LARGE: i64 = 33; // The turn writes too much
export const CODE_ACTOR_OUTBOX_TOO_LARGE: i64 = 34; // The turn sends too much
export const CODE_ACTOR_KEY_TOO_LARGE: i64 = 35; // The KV key is too long
export const CODE_ACTOR_VALUE_TOO_LARGE: i64 = 36; // The KV value is too large
export const CODE_ACTOR_STATE_TOO_LARGE: i64 = 37; // The state is too large
export const CODE_ACTOR_TOO_MANY_EVENTS: i64 = 38; // The turn broadcasts too many events
export const CODE_ACTOR_TOO_MANY_HOST_CALLS: i64 = 39; // The turn calls the host too often
export const CODE_ACTOR_INVALID_ARGUMENT: i64 = 40; // A host function was given a wrong argument
export const CODE_MESSAGE_OUTGOING_TOO_LONG: i64 = 41; // The result is too large
export const CODE_ACTOR_INPUT_TOO_LARGE: i64 = 42; // The input is too large
export const CODE_ACTOR_HANDLE_MEMORY: i64 = 43; // The turn's Extism memory is used up
export const CODE_ACTOR_VARS_TOO_LARGE: i64 = 44; // The Extism vars are too large
export const CODE_ACTOR_NOT_SUPPORTED: i64 = 45; // The operation is not supported here
export const CODE_ACTOR_RESTARTING: i64 = 46; // The actor was taken over while the request ran
export const CODE_GUARD_SERVICE_BUSY: i64 = 47; // The host is too busy for this
export const CODE_MODULE_UNSUPPORTED: i64 = 48; // The module needs a WebAssembly feature that this host does not have
export const CODE_ACTOR_GAS_EXHAUSTED: i64 = 49; // The action computed too much
export const CODE_ACTOR_CALL_CYCLE: i64 = 50; // The call leads back into an actor that waits for it
export const CODE_ACTOR_CALL_DEPTH: i64 = 51; // The chain of calls is too long
export const CODE_ACTOR_CRASH_LOOP: i64 = 52; // The actor fails whenever it starts
export const CODE_ACTOR_IDEMPOTENCY_MISMATCH: i64 = 53; // The idempotency key was used with other arguments
export const CODE_ACTOR_ALREADY_DONE: i64 = 54; // The request was done before; its answer was too large to keep
export const CODE_ACTOR_TOO_MANY_IDEMPOTENCY_KEYS: i64 = 55; // The actor keeps too many idempotency keys
export const CODE_ACTOR_TOO_MANY_SCHEDULES: i64 = 56; // The actor has too many schedules
export const CODE_ACTOR_INVALID_SCHEDULE: i64 = 57; // The schedule is not valid
export const CODE_QUEUE_FULL: i64 = 58; // The queue is full
export const CODE_QUEUE_MESSAGE_TOO_LARGE: i64 = 59; // The queue message is too large
export const CODE_QUEUE_NOT_FOUND: i64 = 60; // The actor has no such queue
export const CODE_EGRESS_DENIED: i64 = 61; // The module may not reach this address
export const CODE_EGRESS_FAILED: i64 = 62; // The server could not be reached
export const CODE_EGRESS_RESPONSE_TOO_LARGE: i64 = 63; // The server's answer is too large
export const CODE_ACTOR_TOO_MANY_FETCHES: i64 = 64; // The turn fetches too often
export const CODE_ACTOR_TOO_MANY_CALLS: i64 = 65; // The turn calls other actors too often
export const CODE_ACTOR_TOO_MANY_TASKS: i64 = 66; // The actor has too many tasks
export const CODE_ACTOR_TOO_MANY_OPEN_REQUESTS: i64 = 67; // Too many requests of the actor are open
export const CODE_ACTOR_TOO_MANY_SENDS: i64 = 68; // Too many sends of the actor wait for delivery
export const CODE_ACTOR_CONNECTION_NOT_FOUND: i64 = 69; // The actor has no such connection
export const CODE_ACTOR_CONNECTION_STATE_TOO_LARGE: i64 = 70; // The connection state is too large
export const CODE_ACTOR_TOO_MANY_CONNECTIONS: i64 = 71; // The actor has too many connections
export const CODE_AUTH_FORBIDDEN_ORIGIN: i64 = 72; // Pages of this origin may not reach the actor
export const CODE_ACTOR_NO_HANDLER: i64 = 73; // The actor has no handler for this
export const CODE_ACTOR_CHILD_ENDED: i64 = 74; // The child has used up its limits
export const CODE_ACTOR_REQUEST_NOT_OPEN: i64 = 75; // The request is not open
export const CODE_GUARD_RATE_LIMIT: i64 = 76; // Too many requests
export const CODE_QUOTA_EXCEEDED: i64 = 77; // The namespace has used up what it may
export const CODE_SECRET_NO_KEY: i64 = 78; // The host has no key for secrets
export const CODE_SECRET_UNREADABLE: i64 = 79; // The secret cannot be read with the host's key for secrets
export const CODE_NAMESPACE_DELETING: i64 = 80; // The namespace of this name is still being removed
export const CODE_AUDIT_UNAVAILABLE: i64 = 81; // The audit log cannot be written
export const CODE_ARCHIVE_INVALID: i64 = 82; // The file is damaged, or no export of a host
export const MAX_KV_KEY: i64 = 2048; // a KV key
export const MAX_KV_VALUE: i64 = 1048576; // a KV value
export const MAX_KV_BATCH: i64 = 128; // items of one batch call
export const MAX_LIST_ITEMS: i64 = 1000; // items of one list call; more are paged
export const MAX_LIST_BYTES: i64 = 1048576; // keys and values of one list call; at least one item is returned
export const MAX_STATE: i64 = 4194304; // an actor's state
export const MAX_VARS: i64 = 1048576; // names and values of all Extism vars of an actor
export const MAX_DELTA: i64 = 8388608; // keys and values that a turn writes
export const MAX_DELTA_OPS: i64 = 10000; // items that a turn writes or deletes
export const MAX_OUTBOX: i64 = 4194304; // events and result of a turn
export const MAX_EVENTS: i64 = 1000; // events of a turn
export const MAX_EVENT_NAME: i64 = 256; // an event's name
export const MAX_LOG: i64 = 262144; // what a turn may log; the rest is cut with a note
export const MAX_ERROR_TEXT: i64 = 4096; // a guest's error text; the rest is cut
export const MAX_HANDLE_BYTES: i64 = 16777216; // a turn's Extism memory
export const MAX_HOST_CALLS: i64 = 100000; // host calls of a turn that do work (not Extism loads and stores)
export const MAX_INPUT: i64 = 4194304; // an actor's creation input
export const MAX_ARGS: i64 = 1048576; // an action's arguments
export const MAX_RESULT: i64 = 1048576; // an action's result
export const MAX_MEMORY: i64 = 67108864; // an instance's linear memory
export const MAX_TURN_SECONDS: i64 = 60; // wall time of a turn
export const MAX_GAS: i64 = 5000000000; // gas of a turn
export const MAX_STACK: i64 = 8388608; // frames of a turn, as they are estimated
export const MAX_SCHEDULES: i64 = 1000; // schedules of an actor
export const MAX_SCHEDULE_AHEAD: i64 = 36600; // days from now to a schedule's moment
export const MAX_SCHEDULE_ARGS: i64 = 65536; // a schedule's arguments
export const MIN_INTERVAL: i64 = 5000; // milliseconds between runs of a recurring schedule
export const MAX_RUNS: i64 = 100; // runs that are kept of one schedule
export const MAX_RUNS_OF_ACTOR: i64 = 1000; // runs that are kept of all of an actor's
export const MAX_QUEUE_SIZE: i64 = 1000; // messages that wait in an actor's queues, of the actor's choice; at most 10,000
export const MAX_QUEUE_MESSAGE: i64 = 65536; // body of a queue message, of the actor's choice; at most 128 KiB
export const MAX_QUEUE_BATCH: i64 = 100; // messages of one turn
export const MAX_DEAD_LETTERS: i64 = 1000; // the oldest goes for a new one
export const MAX_ATTEMPTS: i64 = 5; // of a queue message, a send or a task result
export const MAX_CONNS: i64 = 16384; // connections of an actor
export const MAX_CONN_PARAMS: i64 = 4096; // a connection's params
export const MAX_CONN_STATE: i64 = 65536; // a connection's state
export const MAX_CONN_EVENTS: i64 = 256; // subscriptions of a connection
export const MAX_SOCKET_MESSAGE: i64 = 1048576; // a raw socket's message, unless the manifest has another
export const MAX_REASON: i64 = 123; // reason of a WebSocket close
export const MAX_OPEN_REQUESTS: i64 = 256; // requests of an actor that outlive their turns
export const MAX_BODY: i64 = 4194304; // body of a raw HTTP request
export const MAX_RESPONSE_PART: i64 = 1048576; // one part of a raw HTTP answer
export const MAX_TASKS: i64 = 256; // tasks of an actor that have not ended
export const MAX_TASK_CONTEXT: i64 = 65536; // a task's context
export const MAX_CALL_DEPTH: i64 = 16; // actors in a chain of calls
export const MAX_CALLS: i64 = 1000; // calls, creations and destroys of a turn
export const MAX_SENDS: i64 = 1000; // sends of an actor that wait for delivery
export const MAX_FETCHES: i64 = 50; // fetches of a turn
export const MAX_FETCH_BODY: i64 = 8388608; // body of a fetch or its answer, decompressed
export const MAX_IDEMPOTENCY_KEY: i64 = 255; // an idempotency key
export const MAX_IDEMPOTENCY_KEYS: i64 = 10000; // live records of an actor
export const MAX_IDEMPOTENCY_BODY: i64 = 65536; // an answer that a record keeps
export const IDEMPOTENCY_HOURS: i64 = 24; // that a record lives
export const MAX_HOOK_SECONDS: i64 = 5; // wall time of a hook
export const MAX_ACTOR_NAME: i64 = 64; // bytes; see tenants.ValidName
export const MAX_KEY_COMPONENT: i64 = 128; // bytes of one component of an actor key
export const MAX_KEY: i64 = 1024; // bytes of an actor key in its canonical form

@external("vivarium", "input_len")
declare function raw_input_len(): i32;
@external("vivarium", "input_read")
declare function raw_input_read(ptr: usize, cap: i32): i32;
@external("vivarium", "output")
declare function raw_output(ptr: usize, len: i32): void;
@external("vivarium", "result_len")
declare function raw_result_len(): i32;
@external("vivarium", "result_read")
declare function raw_result_read(ptr: usize, cap: i32): i32;

// failed returns the code with which the last operation failed, 0 if it did not.
export function failed(): i64 {
  return last;
}

let last: i64 = 0;

function settle(returned: i64): i64 {
  last = returned < ABSENT ? -returned : 0;
  return returned;
}

function fetch_result(returned: i64): Uint8Array | null {
  if (settle(returned) < 0) return null;
  const b = new Uint8Array(<i32>returned);
  raw_result_read(b.dataStart, b.length);
  return b;
}

// message returns the text of the failure of the last operation.
export function message(): string {
  const b = new Uint8Array(raw_result_len());
  raw_result_read(b.dataStart, b.length);
  return text(b);
}

// input returns the turn's input.
export function input(): Uint8Array {
  const b = new Uint8Array(raw_input_len());
  raw_input_read(b.dataStart, b.length);
  return b;
}

// output sets the output of actor_manifest and actor_turn.
export function output(b: Uint8Array): void {
  raw_output(b.dataStart, b.length);
}

// utf8 and text turn a string into bytes and back.
export function utf8(s: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(s));
}

export function text(b: Uint8Array): string {
  return String.UTF8.decodeUnsafe(b.dataStart, b.length);
}

// Item is an item of a page, which kv_list and kv_get_batch give.
export class Item {
  constructor(public key: Uint8Array, public value: Uint8Array) {}
}

// page_items returns the items of a page.
export function page_items(page: Uint8Array): Item[] {
  const items: Item[] = [];
  for (let at = 1; at < page.length; ) {
    const key = page_part(page, at);
    at += 4 + key.length;
    const value = page_part(page, at);
    at += 4 + value.length;
    items.push(new Item(key, value));
  }
  return items;
}

function page_part(page: Uint8Array, at: i32): Uint8Array {
  const len = load<i32>(page.dataStart + at);
  return page.slice(at + 4, at + 4 + len);
}

// page_more reports whether the range has items behind those of a page. The cursor of the next page is the
// last key of this one.
export function page_more(page: Uint8Array): bool {
  return page.length > 0 && page[0] == 1;
}

@external("extism:host/env", "alloc")
declare function extism_alloc(len: i64): i64;
@external("extism:host/env", "store_u8")
declare function extism_store_u8(at: i64, byte: i32): void;
@external("extism:host/env", "store_u64")
declare function extism_store_u64(at: i64, word: i64): void;
@external("extism:host/env", "output_set")
declare function extism_output_set(at: i64, len: i64): void;
@external("extism:host/env", "error_set")
declare function extism_error_set(at: i64): void;

function plain_share(b: Uint8Array): i64 {
  const at = extism_alloc(b.length);
  let i = 0;
  for (; i + 8 <= b.length; i += 8) extism_store_u64(at + i, load<i64>(b.dataStart + i));
  for (; i < b.length; i++) extism_store_u8(at + i, b[i]);
  return at;
}

// plain_output sets the result of an action of a plain module.
export function plain_output(b: Uint8Array): void {
  extism_output_set(plain_share(b), b.length);
}

// plain_error refuses: the client gets the text, and the turn leaves nothing. Return what it returns.
export function plain_error(why: string): i32 {
  extism_error_set(plain_share(utf8(why)));
  return 1;
}

// Operations.

@external("vivarium", "state_get")
declare function raw_state_get(): i64;
@external("vivarium", "state_set")
declare function raw_state_set(state: usize, state_len: i32): i64;
@external("vivarium", "kv_get")
declare function raw_kv_get(key: usize, key_len: i32): i64;
@external("vivarium", "kv_put")
declare function raw_kv_put(key: usize, key_len: i32, value: usize, value_len: i32): i64;
@external("vivarium", "kv_delete")
declare function raw_kv_delete(key: usize, key_len: i32): i64;
@external("vivarium", "kv_list")
declare function raw_kv_list(lo: usize, lo_len: i32, hi: usize, hi_len: i32, cursor: usize, cursor_len: i32, limit: i64, flags: i64): i64;
@external("vivarium", "kv_delete_range")
declare function raw_kv_delete_range(lo: usize, lo_len: i32, hi: usize, hi_len: i32, limit: i64, flags: i64): i64;
@external("vivarium", "broadcast")
declare function raw_broadcast(event: usize, event_len: i32, payload: usize, payload_len: i32): i64;
@external("vivarium", "self")
declare function raw_self(): i64;
@external("vivarium", "log")
declare function raw_log(level: i64, text: usize, text_len: i32): i64;
@external("vivarium", "now")
declare function raw_now(): i64;
@external("vivarium", "random")
declare function raw_random(n: i64): i64;
@external("vivarium", "config")
declare function raw_config(name: usize, name_len: i32): i64;
@external("vivarium", "kv_get_batch")
declare function raw_kv_get_batch(keys: usize, keys_len: i32): i64;
@external("vivarium", "kv_put_batch")
declare function raw_kv_put_batch(items: usize, items_len: i32): i64;
@external("vivarium", "kv_delete_batch")
declare function raw_kv_delete_batch(keys: usize, keys_len: i32): i64;
@external("vivarium", "conn_list")
declare function raw_conn_list(): i64;
@external("vivarium", "conn_get")
declare function raw_conn_get(conn: usize, conn_len: i32): i64;
@external("vivarium", "conn_state_set")
declare function raw_conn_state_set(conn: usize, conn_len: i32, state: usize, state_len: i32): i64;
@external("vivarium", "conn_send")
declare function raw_conn_send(conn: usize, conn_len: i32, event: usize, event_len: i32, payload: usize, payload_len: i32): i64;
@external("vivarium", "conn_disconnect")
declare function raw_conn_disconnect(conn: usize, conn_len: i32, reason: usize, reason_len: i32): i64;
@external("vivarium", "socket_send")
declare function raw_socket_send(conn: usize, conn_len: i32, data: usize, data_len: i32, text: i64): i64;
@external("vivarium", "socket_close")
declare function raw_socket_close(conn: usize, conn_len: i32, code: i64, reason: usize, reason_len: i32): i64;
@external("vivarium", "schedule_set")
declare function raw_schedule_set(schedule: usize, schedule_len: i32, args: usize, args_len: i32): i64;
@external("vivarium", "schedule_cancel")
declare function raw_schedule_cancel(id: usize, id_len: i32): i64;
@external("vivarium", "schedule_get")
declare function raw_schedule_get(id: usize, id_len: i32): i64;
@external("vivarium", "schedule_list")
declare function raw_schedule_list(): i64;
@external("vivarium", "schedule_runs")
declare function raw_schedule_runs(id: usize, id_len: i32): i64;
@external("vivarium", "task_fetch")
declare function raw_task_fetch(request: usize, request_len: i32, body: usize, body_len: i32, context: usize, context_len: i32): i64;
@external("vivarium", "task_call")
declare function raw_task_call(target: usize, target_len: i32, action: usize, action_len: i32, args: usize, args_len: i32, context: usize, context_len: i32): i64;
@external("vivarium", "task_timer")
declare function raw_task_timer(ms: i64, context: usize, context_len: i32): i64;
@external("vivarium", "task_cancel")
declare function raw_task_cancel(id: usize, id_len: i32): i64;
@external("vivarium", "fetch")
declare function raw_fetch(request: usize, request_len: i32, body: usize, body_len: i32): i64;
@external("vivarium", "call")
declare function raw_call(target: usize, target_len: i32, action: usize, action_len: i32, args: usize, args_len: i32): i64;
@external("vivarium", "send")
declare function raw_send(target: usize, target_len: i32, action: usize, action_len: i32, args: usize, args_len: i32): i64;
@external("vivarium", "queue_send")
declare function raw_queue_send(target: usize, target_len: i32, queue: usize, queue_len: i32, body: usize, body_len: i32): i64;
@external("vivarium", "actor_create")
declare function raw_actor_create(spec: usize, spec_len: i32, input: usize, input_len: i32): i64;
@external("vivarium", "actor_find")
declare function raw_actor_find(target: usize, target_len: i32): i64;
@external("vivarium", "actor_destroy")
declare function raw_actor_destroy(target: usize, target_len: i32): i64;
@external("vivarium", "child_usage")
declare function raw_child_usage(id: usize, id_len: i32): i64;
@external("vivarium", "module_upload")
declare function raw_module_upload(module: usize, module_len: i32, wasm: usize, wasm_len: i32, options: usize, options_len: i32): i64;
@external("vivarium", "reply")
declare function raw_reply(request: i64, envelope: usize, envelope_len: i32): i64;
@external("vivarium", "reply_head")
declare function raw_reply_head(request: i64, head: usize, head_len: i32): i64;
@external("vivarium", "reply_part")
declare function raw_reply_part(request: i64, part: usize, part_len: i32): i64;
@external("vivarium", "request_open")
declare function raw_request_open(request: i64): i64;
@external("vivarium", "sleep")
declare function raw_sleep(): i64;
@external("vivarium", "destroy")
declare function raw_destroy(): i64;
@external("vivarium", "gas_left")
declare function raw_gas_left(): i64;
@external("vivarium", "dead_list")
declare function raw_dead_list(after: usize, after_len: i32): i64;
@external("vivarium", "dead_retry")
declare function raw_dead_retry(id: usize, id_len: i32): i64;

// state_get returns the actor's state, or none if it was never set. Returns null if there is none, or if it failed: see failed.
export function state_get(): Uint8Array | null {
  return fetch_result(raw_state_get());
}

// state_set replaces the actor's state. Returns 0.
export function state_set(state: Uint8Array): i64 {
  return settle(raw_state_set(state.dataStart, state.length));
}

// kv_get returns the value of a KV key, or none. Returns null if there is none, or if it failed: see failed.
export function kv_get(key: Uint8Array): Uint8Array | null {
  return fetch_result(raw_kv_get(key.dataStart, key.length));
}

// kv_put sets a KV key. Returns 0.
export function kv_put(key: Uint8Array, value: Uint8Array): i64 {
  return settle(raw_kv_put(key.dataStart, key.length, value.dataStart, value.length));
}

// kv_delete deletes a KV key; a missing key is no failure. Returns 0.
export function kv_delete(key: Uint8Array): i64 {
  return settle(raw_kv_delete(key.dataStart, key.length));
}

// kv_list returns a page of the KV items with lo <= key < hi, in byte order. Returns null if there is none, or if it failed: see failed.
export function kv_list(lo: Uint8Array, hi: Uint8Array, cursor: Uint8Array, limit: i64, flags: i64): Uint8Array | null {
  return fetch_result(raw_kv_list(lo.dataStart, lo.length, hi.dataStart, hi.length, cursor.dataStart, cursor.length, limit, flags));
}

// kv_delete_range deletes the KV items with lo <= key < hi, at most limit of them, and returns how many. Returns the number.
export function kv_delete_range(lo: Uint8Array, hi: Uint8Array, limit: i64, flags: i64): i64 {
  return settle(raw_kv_delete_range(lo.dataStart, lo.length, hi.dataStart, hi.length, limit, flags));
}

// broadcast sends an event to the actor's connections once the turn is durable; payload is a list in the module's codec. Returns 0.
export function broadcast(event: Uint8Array, payload: Uint8Array): i64 {
  return settle(raw_broadcast(event.dataStart, event.length, payload.dataStart, payload.length));
}

// self describes the actor, as JSON. Returns null if there is none, or if it failed: see failed.
export function self(): Uint8Array | null {
  return fetch_result(raw_self());
}

// log adds a line to the actor's log; levels are 0 trace, 1 debug, 2 info, 3 warn, 4 error. Returns 0.
export function log(level: i64, text: Uint8Array): i64 {
  return settle(raw_log(level, text.dataStart, text.length));
}

// now returns the turn's clock in milliseconds since 1970; it stands still inside a turn. Returns the number.
export function now(): i64 {
  return settle(raw_now());
}

// random returns n random bytes. Returns null if there is none, or if it failed: see failed.
export function random(n: i64): Uint8Array | null {
  return fetch_result(raw_random(n));
}

// config returns a value that the tenant set for the module, or none. Returns null if there is none, or if it failed: see failed.
export function config(name: Uint8Array): Uint8Array | null {
  return fetch_result(raw_config(name.dataStart, name.length));
}

// kv_get_batch returns a page with those of up to 128 KV keys that there are, in the order asked for; keys is a page without values. Returns null if there is none, or if it failed: see failed.
export function kv_get_batch(keys: Uint8Array): Uint8Array | null {
  return fetch_result(raw_kv_get_batch(keys.dataStart, keys.length));
}

// kv_put_batch sets up to 128 KV items, given as a page, or none of them. Returns 0.
export function kv_put_batch(items: Uint8Array): i64 {
  return settle(raw_kv_put_batch(items.dataStart, items.length));
}

// kv_delete_batch deletes up to 128 KV keys, given as a page without values, or none of them. Returns 0.
export function kv_delete_batch(keys: Uint8Array): i64 {
  return settle(raw_kv_delete_batch(keys.dataStart, keys.length));
}

// conn_list lists the actor's connections, as JSON; past 4 MiB without params, state and subscriptions. Returns null if there is none, or if it failed: see failed.
export function conn_list(): Uint8Array | null {
  return fetch_result(raw_conn_list());
}

// conn_get describes one connection, as JSON, or none. Returns null if there is none, or if it failed: see failed.
export function conn_get(conn: Uint8Array): Uint8Array | null {
  return fetch_result(raw_conn_get(conn.dataStart, conn.length));
}

// conn_state_set replaces a connection's state, a document. Returns 0.
export function conn_state_set(conn: Uint8Array, state: Uint8Array): i64 {
  return settle(raw_conn_state_set(conn.dataStart, conn.length, state.dataStart, state.length));
}

// conn_send sends an event to one connection once the turn is durable; payload is a list. Returns 0.
export function conn_send(conn: Uint8Array, event: Uint8Array, payload: Uint8Array): i64 {
  return settle(raw_conn_send(conn.dataStart, conn.length, event.dataStart, event.length, payload.dataStart, payload.length));
}

// conn_disconnect closes a connection once the turn is durable. Returns 0.
export function conn_disconnect(conn: Uint8Array, reason: Uint8Array): i64 {
  return settle(raw_conn_disconnect(conn.dataStart, conn.length, reason.dataStart, reason.length));
}

// socket_send sends a message on a raw socket once the turn is durable, as text if text is 1. Returns 0.
export function socket_send(conn: Uint8Array, data: Uint8Array, text: i64): i64 {
  return settle(raw_socket_send(conn.dataStart, conn.length, data.dataStart, data.length, text));
}

// socket_close closes a raw socket once the turn is durable; code is 1000 or 3000 to 4999. Returns 0.
export function socket_close(conn: Uint8Array, code: i64, reason: Uint8Array): i64 {
  return settle(raw_socket_close(conn.dataStart, conn.length, code, reason.dataStart, reason.length));
}

// schedule_set makes or replaces a schedule, JSON, that calls an action of the actor, and returns its id. Returns null if there is none, or if it failed: see failed.
export function schedule_set(schedule: Uint8Array, args: Uint8Array): Uint8Array | null {
  return fetch_result(raw_schedule_set(schedule.dataStart, schedule.length, args.dataStart, args.length));
}

// schedule_cancel removes a schedule by id or name, and returns 1 if there was one. Returns the number.
export function schedule_cancel(id: Uint8Array): i64 {
  return settle(raw_schedule_cancel(id.dataStart, id.length));
}

// schedule_get describes a schedule by id or name, as JSON, or none. Returns null if there is none, or if it failed: see failed.
export function schedule_get(id: Uint8Array): Uint8Array | null {
  return fetch_result(raw_schedule_get(id.dataStart, id.length));
}

// schedule_list lists the actor's schedules, as JSON. Returns null if there is none, or if it failed: see failed.
export function schedule_list(): Uint8Array | null {
  return fetch_result(raw_schedule_list());
}

// schedule_runs lists the last runs of a schedule, newest first, as JSON. Returns null if there is none, or if it failed: see failed.
export function schedule_runs(id: Uint8Array): Uint8Array | null {
  return fetch_result(raw_schedule_runs(id.dataStart, id.length));
}

// task_fetch begins an HTTP request, JSON, whose answer is a later turn with context, and returns the task's id. Returns null if there is none, or if it failed: see failed.
export function task_fetch(request: Uint8Array, body: Uint8Array, context: Uint8Array): Uint8Array | null {
  return fetch_result(raw_task_fetch(request.dataStart, request.length, body.dataStart, body.length, context.dataStart, context.length));
}

// task_call begins a call of another actor whose answer is a later turn with context, and returns the task's id. Returns null if there is none, or if it failed: see failed.
export function task_call(target: Uint8Array, action: Uint8Array, args: Uint8Array, context: Uint8Array): Uint8Array | null {
  return fetch_result(raw_task_call(target.dataStart, target.length, action.dataStart, action.length, args.dataStart, args.length, context.dataStart, context.length));
}

// task_timer begins a wait that ends in a later turn with context, and returns the task's id. Returns null if there is none, or if it failed: see failed.
export function task_timer(ms: i64, context: Uint8Array): Uint8Array | null {
  return fetch_result(raw_task_timer(ms, context.dataStart, context.length));
}

// task_cancel ends a task whose outcome is not wanted any more, and returns 1 if there was one. Returns the number.
export function task_cancel(id: Uint8Array): i64 {
  return settle(raw_task_cancel(id.dataStart, id.length));
}

// fetch makes an HTTP request, JSON, and waits for the answer, an envelope; it is not undone with the turn. Returns null if there is none, or if it failed: see failed.
export function fetch(request: Uint8Array, body: Uint8Array): Uint8Array | null {
  return fetch_result(raw_fetch(request.dataStart, request.length, body.dataStart, body.length));
}

// call calls an action of another actor at once and waits for the answer, an envelope; it is not undone with the turn. Returns null if there is none, or if it failed: see failed.
export function call(target: Uint8Array, action: Uint8Array, args: Uint8Array): Uint8Array | null {
  return fetch_result(raw_call(target.dataStart, target.length, action.dataStart, action.length, args.dataStart, args.length));
}

// send calls an action of another actor once the turn is durable, exactly once in effect, in order, without an answer. Returns 0.
export function send(target: Uint8Array, action: Uint8Array, args: Uint8Array): i64 {
  return settle(raw_send(target.dataStart, target.length, action.dataStart, action.length, args.dataStart, args.length));
}

// queue_send puts a message into a queue of another actor, or of this one if target is empty, once the turn is durable. Returns 0.
export function queue_send(target: Uint8Array, queue: Uint8Array, body: Uint8Array): i64 {
  return settle(raw_queue_send(target.dataStart, target.length, queue.dataStart, queue.length, body.dataStart, body.length));
}

// actor_create makes an actor at once, from JSON, and describes it; it is not undone with the turn. Returns null if there is none, or if it failed: see failed.
export function actor_create(spec: Uint8Array, input: Uint8Array): Uint8Array | null {
  return fetch_result(raw_actor_create(spec.dataStart, spec.length, input.dataStart, input.length));
}

// actor_find describes another actor, as JSON, or none. Returns null if there is none, or if it failed: see failed.
export function actor_find(target: Uint8Array): Uint8Array | null {
  return fetch_result(raw_actor_find(target.dataStart, target.length));
}

// actor_destroy destroys another actor at once, and returns 1 if there was one; it is not undone with the turn. Returns the number.
export function actor_destroy(target: Uint8Array): i64 {
  return settle(raw_actor_destroy(target.dataStart, target.length));
}

// child_usage says what a child of the actor has used, as JSON, or none. Returns null if there is none, or if it failed: see failed.
export function child_usage(id: Uint8Array): Uint8Array | null {
  return fetch_result(raw_child_usage(id.dataStart, id.length));
}

// module_upload uploads a module for the actor's children at once and returns the report, JSON; it is not undone with the turn. Returns null if there is none, or if it failed: see failed.
export function module_upload(module: Uint8Array, wasm: Uint8Array, options: Uint8Array): Uint8Array | null {
  return fetch_result(raw_module_upload(module.dataStart, module.length, wasm.dataStart, wasm.length, options.dataStart, options.length));
}

// reply answers an open request with a reply's envelope once the turn is durable. Returns 0.
export function reply(request: i64, envelope: Uint8Array): i64 {
  return settle(raw_reply(request, envelope.dataStart, envelope.length));
}

// reply_head begins the answer to an open raw HTTP request, JSON, once the turn is durable. Returns 0.
export function reply_head(request: i64, head: Uint8Array): i64 {
  return settle(raw_reply_head(request, head.dataStart, head.length));
}

// reply_part sends a part of the answer to an open raw HTTP request once the turn is durable. Returns 0.
export function reply_part(request: i64, part: Uint8Array): i64 {
  return settle(raw_reply_part(request, part.dataStart, part.length));
}

// request_open returns 1 if somebody still waits for the answer to a request. Returns the number.
export function request_open(request: i64): i64 {
  return settle(raw_request_open(request));
}

// sleep lets the actor sleep as soon as nothing waits for it. Returns 0.
export function sleep(): i64 {
  return settle(raw_sleep());
}

// destroy ends the actor and all it has, if the turn succeeds. Returns 0.
export function destroy(): i64 {
  return settle(raw_destroy());
}

// gas_left returns the gas that the turn may still use. Returns the number.
export function gas_left(): i64 {
  return settle(raw_gas_left());
}

// dead_list lists messages, sends and task results that were given up, oldest first behind an id, as JSON. Returns null if there is none, or if it failed: see failed.
export function dead_list(after: Uint8Array): Uint8Array | null {
  return fetch_result(raw_dead_list(after.dataStart, after.length));
}

// dead_retry tries what was given up again, and returns 1 if there is such a thing. Returns the number.
export function dead_retry(id: Uint8Array): i64 {
  return settle(raw_dead_retry(id.dataStart, id.length));
}
