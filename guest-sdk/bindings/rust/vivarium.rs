//! Code generated from the table of operations in hostfuncs; DO NOT EDIT. Run `make generate`.
//!
//! Operations of Vivarium for guests. The contract is guest-sdk/ABI.md. An operation returns zero or more if it
//! succeeded, -1 if there is no such thing, and below that a code, negated, whose message can be fetched. The
//! plain_ functions are for plain modules, whose actions are their exports: they go by Extism's memory.
#![allow(dead_code)]

/// what an operation returns for "there is none"
pub const ABSENT: i64 = -1;

/// flag of kv_list and kv_delete_range: from the end of the range
pub const LIST_REVERSE: i64 = 1;

/// flag: leave the values out
pub const LIST_KEYS: i64 = 2;

/// flag: lo is a prefix, hi is ignored
pub const LIST_PREFIX: i64 = 4;

/// level of a line in the log
pub const LEVEL_TRACE: i64 = 0;

/// level of a line in the log
pub const LEVEL_DEBUG: i64 = 1;

/// level of a line in the log
pub const LEVEL_INFO: i64 = 2;

/// level of a line in the log
pub const LEVEL_WARN: i64 = 3;

/// level of a line in the log
pub const LEVEL_ERROR: i64 = 4;

/// An internal error occurred
pub const CODE_CORE_INTERNAL_ERROR: i64 = 1;

/// The request is malformed
pub const CODE_GUARD_INVALID_REQUEST: i64 = 2;

/// The actor refused the request
pub const CODE_USER_USER_ERROR: i64 = 3;

/// An internal error occurred
pub const CODE_RIVETKIT_INTERNAL_ERROR: i64 = 4;

/// A valid token is required
pub const CODE_AUTH_UNAUTHENTICATED: i64 = 5;

/// The token does not allow this
pub const CODE_AUTH_FORBIDDEN: i64 = 6;

/// No such route
pub const CODE_API_NOT_FOUND: i64 = 7;

/// The route does not take this method
pub const CODE_API_METHOD_NOT_ALLOWED: i64 = 8;

/// The body is too large
pub const CODE_MESSAGE_INCOMING_TOO_LONG: i64 = 9;

/// The request did not arrive in time
pub const CODE_GUARD_REQUEST_TIMEOUT: i64 = 10;

/// The content type is not supported
pub const CODE_GUARD_UNSUPPORTED_MEDIA_TYPE: i64 = 11;

/// No such namespace
pub const CODE_NAMESPACE_NOT_FOUND: i64 = 12;

/// The namespace exists
pub const CODE_NAMESPACE_EXISTS: i64 = 13;

/// No such module or version
pub const CODE_MODULE_NOT_FOUND: i64 = 14;

/// The body is not a WebAssembly module
pub const CODE_MODULE_MALFORMED: i64 = 15;

/// The module breaks a limit
pub const CODE_MODULE_LIMIT_EXCEEDED: i64 = 16;

/// The module imports what this host does not have
pub const CODE_MODULE_UNRESOLVED_IMPORT: i64 = 17;

/// The module cannot run
pub const CODE_MODULE_INVALID: i64 = 18;

/// An actor name belongs to another module
pub const CODE_MODULE_NAME_TAKEN: i64 = 19;

/// The module has actors
pub const CODE_MODULE_IN_USE: i64 = 20;

/// No such actor
pub const CODE_ACTOR_NOT_FOUND: i64 = 21;

/// An actor with this key exists
pub const CODE_ACTOR_DUPLICATE_KEY: i64 = 22;

/// The actor key is not valid
pub const CODE_ACTOR_INVALID_KEY: i64 = 23;

/// The actor has no such action
pub const CODE_ACTOR_ACTION_NOT_FOUND: i64 = 24;

/// The action took too long
pub const CODE_ACTOR_ACTION_TIMED_OUT: i64 = 25;

/// Too many requests wait for this actor
pub const CODE_ACTOR_OVERLOADED: i64 = 26;

/// The actor's code failed
pub const CODE_ACTOR_TRAPPED: i64 = 27;

/// No live module version defines this actor
pub const CODE_ACTOR_NO_VERSION: i64 = 28;

/// The store could not say whether the action was saved
pub const CODE_ACTOR_OUTCOME_UNKNOWN: i64 = 29;

/// The actor was reset before it answered
pub const CODE_ACTOR_REPLY_LOST: i64 = 30;

/// The host is stopping
pub const CODE_GUARD_SERVICE_UNAVAILABLE: i64 = 31;

/// The store takes no more writes
pub const CODE_CORE_STORAGE_FULL: i64 = 32;

/// The turn writes too much
pub const CODE_ACTOR_DELTA_TOO_LARGE: i64 = 33;

/// The turn sends too much
pub const CODE_ACTOR_OUTBOX_TOO_LARGE: i64 = 34;

/// The KV key is too long
pub const CODE_ACTOR_KEY_TOO_LARGE: i64 = 35;

/// The KV value is too large
pub const CODE_ACTOR_VALUE_TOO_LARGE: i64 = 36;

/// The state is too large
pub const CODE_ACTOR_STATE_TOO_LARGE: i64 = 37;

/// The turn broadcasts too many events
pub const CODE_ACTOR_TOO_MANY_EVENTS: i64 = 38;

/// The turn calls the host too often
pub const CODE_ACTOR_TOO_MANY_HOST_CALLS: i64 = 39;

/// A host function was given a wrong argument
pub const CODE_ACTOR_INVALID_ARGUMENT: i64 = 40;

/// The result is too large
pub const CODE_MESSAGE_OUTGOING_TOO_LONG: i64 = 41;

/// The input is too large
pub const CODE_ACTOR_INPUT_TOO_LARGE: i64 = 42;

/// The turn's Extism memory is used up
pub const CODE_ACTOR_HANDLE_MEMORY: i64 = 43;

/// The Extism vars are too large
pub const CODE_ACTOR_VARS_TOO_LARGE: i64 = 44;

/// The operation is not supported here
pub const CODE_ACTOR_NOT_SUPPORTED: i64 = 45;

/// The actor was taken over while the request ran
pub const CODE_ACTOR_RESTARTING: i64 = 46;

/// The host is too busy for this
pub const CODE_GUARD_SERVICE_BUSY: i64 = 47;

/// The module needs a WebAssembly feature that this host does not have
pub const CODE_MODULE_UNSUPPORTED: i64 = 48;

/// The action computed too much
pub const CODE_ACTOR_GAS_EXHAUSTED: i64 = 49;

/// The call leads back into an actor that waits for it
pub const CODE_ACTOR_CALL_CYCLE: i64 = 50;

/// The chain of calls is too long
pub const CODE_ACTOR_CALL_DEPTH: i64 = 51;

/// The actor fails whenever it starts
pub const CODE_ACTOR_CRASH_LOOP: i64 = 52;

/// The idempotency key was used with other arguments
pub const CODE_ACTOR_IDEMPOTENCY_MISMATCH: i64 = 53;

/// The request was done before; its answer was too large to keep
pub const CODE_ACTOR_ALREADY_DONE: i64 = 54;

/// The actor keeps too many idempotency keys
pub const CODE_ACTOR_TOO_MANY_IDEMPOTENCY_KEYS: i64 = 55;

/// The actor has too many schedules
pub const CODE_ACTOR_TOO_MANY_SCHEDULES: i64 = 56;

/// The schedule is not valid
pub const CODE_ACTOR_INVALID_SCHEDULE: i64 = 57;

/// The queue is full
pub const CODE_QUEUE_FULL: i64 = 58;

/// The queue message is too large
pub const CODE_QUEUE_MESSAGE_TOO_LARGE: i64 = 59;

/// The actor has no such queue
pub const CODE_QUEUE_NOT_FOUND: i64 = 60;

/// The module may not reach this address
pub const CODE_EGRESS_DENIED: i64 = 61;

/// The server could not be reached
pub const CODE_EGRESS_FAILED: i64 = 62;

/// The server's answer is too large
pub const CODE_EGRESS_RESPONSE_TOO_LARGE: i64 = 63;

/// The turn fetches too often
pub const CODE_ACTOR_TOO_MANY_FETCHES: i64 = 64;

/// The turn calls other actors too often
pub const CODE_ACTOR_TOO_MANY_CALLS: i64 = 65;

/// The actor has too many tasks
pub const CODE_ACTOR_TOO_MANY_TASKS: i64 = 66;

/// Too many requests of the actor are open
pub const CODE_ACTOR_TOO_MANY_OPEN_REQUESTS: i64 = 67;

/// Too many sends of the actor wait for delivery
pub const CODE_ACTOR_TOO_MANY_SENDS: i64 = 68;

/// The actor has no such connection
pub const CODE_ACTOR_CONNECTION_NOT_FOUND: i64 = 69;

/// The connection state is too large
pub const CODE_ACTOR_CONNECTION_STATE_TOO_LARGE: i64 = 70;

/// The actor has too many connections
pub const CODE_ACTOR_TOO_MANY_CONNECTIONS: i64 = 71;

/// Pages of this origin may not reach the actor
pub const CODE_AUTH_FORBIDDEN_ORIGIN: i64 = 72;

/// The actor has no handler for this
pub const CODE_ACTOR_NO_HANDLER: i64 = 73;

/// The child has used up its limits
pub const CODE_ACTOR_CHILD_ENDED: i64 = 74;

/// The request is not open
pub const CODE_ACTOR_REQUEST_NOT_OPEN: i64 = 75;

/// Too many requests
pub const CODE_GUARD_RATE_LIMIT: i64 = 76;

/// The namespace has used up what it may
pub const CODE_QUOTA_EXCEEDED: i64 = 77;

/// The host has no key for secrets
pub const CODE_SECRET_NO_KEY: i64 = 78;

/// The secret cannot be read with the host's key for secrets
pub const CODE_SECRET_UNREADABLE: i64 = 79;

/// The namespace of this name is still being removed
pub const CODE_NAMESPACE_DELETING: i64 = 80;

/// The audit log cannot be written
pub const CODE_AUDIT_UNAVAILABLE: i64 = 81;

/// The file is damaged, or no export of a host
pub const CODE_ARCHIVE_INVALID: i64 = 82;

/// a KV key
pub const MAX_KV_KEY: i64 = 2048;

/// a KV value
pub const MAX_KV_VALUE: i64 = 1048576;

/// items of one batch call
pub const MAX_KV_BATCH: i64 = 128;

/// items of one list call; more are paged
pub const MAX_LIST_ITEMS: i64 = 1000;

/// keys and values of one list call; at least one item is returned
pub const MAX_LIST_BYTES: i64 = 1048576;

/// an actor's state
pub const MAX_STATE: i64 = 4194304;

/// names and values of all Extism vars of an actor
pub const MAX_VARS: i64 = 1048576;

/// keys and values that a turn writes
pub const MAX_DELTA: i64 = 8388608;

/// items that a turn writes or deletes
pub const MAX_DELTA_OPS: i64 = 10000;

/// events and result of a turn
pub const MAX_OUTBOX: i64 = 4194304;

/// events of a turn
pub const MAX_EVENTS: i64 = 1000;

/// an event's name
pub const MAX_EVENT_NAME: i64 = 256;

/// what a turn may log; the rest is cut with a note
pub const MAX_LOG: i64 = 262144;

/// a guest's error text; the rest is cut
pub const MAX_ERROR_TEXT: i64 = 4096;

/// a turn's Extism memory
pub const MAX_HANDLE_BYTES: i64 = 16777216;

/// host calls of a turn that do work (not Extism loads and stores)
pub const MAX_HOST_CALLS: i64 = 100000;

/// an actor's creation input
pub const MAX_INPUT: i64 = 4194304;

/// an action's arguments
pub const MAX_ARGS: i64 = 1048576;

/// an action's result
pub const MAX_RESULT: i64 = 1048576;

/// an instance's linear memory
pub const MAX_MEMORY: i64 = 67108864;

/// wall time of a turn
pub const MAX_TURN_SECONDS: i64 = 60;

/// gas of a turn
pub const MAX_GAS: i64 = 5000000000;

/// frames of a turn, as they are estimated
pub const MAX_STACK: i64 = 8388608;

/// schedules of an actor
pub const MAX_SCHEDULES: i64 = 1000;

/// days from now to a schedule's moment
pub const MAX_SCHEDULE_AHEAD: i64 = 36600;

/// a schedule's arguments
pub const MAX_SCHEDULE_ARGS: i64 = 65536;

/// milliseconds between runs of a recurring schedule
pub const MIN_INTERVAL: i64 = 5000;

/// runs that are kept of one schedule
pub const MAX_RUNS: i64 = 100;

/// runs that are kept of all of an actor's
pub const MAX_RUNS_OF_ACTOR: i64 = 1000;

/// messages that wait in an actor's queues, of the actor's choice; at most 10,000
pub const MAX_QUEUE_SIZE: i64 = 1000;

/// body of a queue message, of the actor's choice; at most 128 KiB
pub const MAX_QUEUE_MESSAGE: i64 = 65536;

/// messages of one turn
pub const MAX_QUEUE_BATCH: i64 = 100;

/// the oldest goes for a new one
pub const MAX_DEAD_LETTERS: i64 = 1000;

/// of a queue message, a send or a task result
pub const MAX_ATTEMPTS: i64 = 5;

/// connections of an actor
pub const MAX_CONNS: i64 = 16384;

/// a connection's params
pub const MAX_CONN_PARAMS: i64 = 4096;

/// a connection's state
pub const MAX_CONN_STATE: i64 = 65536;

/// subscriptions of a connection
pub const MAX_CONN_EVENTS: i64 = 256;

/// a raw socket's message, unless the manifest has another
pub const MAX_SOCKET_MESSAGE: i64 = 1048576;

/// reason of a WebSocket close
pub const MAX_REASON: i64 = 123;

/// requests of an actor that outlive their turns
pub const MAX_OPEN_REQUESTS: i64 = 256;

/// body of a raw HTTP request
pub const MAX_BODY: i64 = 4194304;

/// one part of a raw HTTP answer
pub const MAX_RESPONSE_PART: i64 = 1048576;

/// tasks of an actor that have not ended
pub const MAX_TASKS: i64 = 256;

/// a task's context
pub const MAX_TASK_CONTEXT: i64 = 65536;

/// actors in a chain of calls
pub const MAX_CALL_DEPTH: i64 = 16;

/// calls, creations and destroys of a turn
pub const MAX_CALLS: i64 = 1000;

/// sends of an actor that wait for delivery
pub const MAX_SENDS: i64 = 1000;

/// fetches of a turn
pub const MAX_FETCHES: i64 = 50;

/// body of a fetch or its answer, decompressed
pub const MAX_FETCH_BODY: i64 = 8388608;

/// an idempotency key
pub const MAX_IDEMPOTENCY_KEY: i64 = 255;

/// live records of an actor
pub const MAX_IDEMPOTENCY_KEYS: i64 = 10000;

/// an answer that a record keeps
pub const MAX_IDEMPOTENCY_BODY: i64 = 65536;

/// that a record lives
pub const IDEMPOTENCY_HOURS: i64 = 24;

/// wall time of a hook
pub const MAX_HOOK_SECONDS: i64 = 5;

/// bytes; see tenants.ValidName
pub const MAX_ACTOR_NAME: i64 = 64;

/// bytes of one component of an actor key
pub const MAX_KEY_COMPONENT: i64 = 128;

/// bytes of an actor key in its canonical form
pub const MAX_KEY: i64 = 1024;

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: i64,
    pub message: String,
}

/// The turn's input.
pub fn input() -> Vec<u8> {
    read(unsafe { raw::input_len() }, raw::input_read)
}

/// Sets the output of actor_manifest and actor_turn.
pub fn output(bytes: &[u8]) {
    unsafe { raw::output(bytes.as_ptr(), bytes.len()) }
}

fn read(len: usize, copy: unsafe extern "C" fn(*mut u8, usize) -> usize) -> Vec<u8> {
    let mut buf = vec![0; len];
    let n = unsafe { copy(buf.as_mut_ptr(), len) };
    buf.truncate(n);
    buf
}

fn number(returned: i64) -> Result<i64, Failure> {
    if returned >= ABSENT {
        return Ok(returned);
    }
    let message = read(unsafe { raw::result_len() }, raw::result_read);
    Err(Failure { code: -returned, message: String::from_utf8_lossy(&message).into_owned() })
}

fn done(returned: i64) -> Result<(), Failure> {
    number(returned).map(|_| ())
}

fn bytes(returned: i64) -> Result<Option<Vec<u8>>, Failure> {
    match number(returned)? {
        ABSENT => Ok(None),
        len => Ok(Some(read(len as usize, raw::result_read))),
    }
}

/// An item of a page, which kv_list and kv_get_batch give.
pub struct Item<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
}

/// The items of a page, and whether the range has others behind them. The cursor of the next page is the
/// last key of this one.
pub fn page(page: &[u8]) -> (Vec<Item<'_>>, bool) {
    let mut items = Vec::new();
    let mut rest = page.get(1..).unwrap_or(&[]);
    while !rest.is_empty() {
        let key = part(&mut rest);
        let value = part(&mut rest);
        items.push(Item { key, value });
    }
    (items, page.first() == Some(&1))
}

fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (len, tail) = rest.split_at(4);
    let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
    let (part, tail) = tail.split_at(len);
    *rest = tail;
    part
}

mod extism {
    #[link(wasm_import_module = "extism:host/env")]
    extern "C" {
        pub fn alloc(len: u64) -> u64;
        pub fn store_u8(at: u64, byte: u32);
        pub fn store_u64(at: u64, word: u64);
        pub fn output_set(at: u64, len: u64);
        pub fn error_set(at: u64);
    }
}

fn share(bytes: &[u8]) -> u64 {
    let at = unsafe { extism::alloc(bytes.len() as u64) };
    let words = bytes.chunks_exact(8);
    let (rest, tail) = (words.remainder(), at + (bytes.len() as u64 & !7));
    for (i, w) in words.enumerate() {
        let word = u64::from_le_bytes([w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]]);
        unsafe { extism::store_u64(at + 8 * i as u64, word) };
    }
    for (i, byte) in rest.iter().enumerate() {
        unsafe { extism::store_u8(tail + i as u64, u32::from(*byte)) };
    }
    at
}

/// Sets the result of an action of a plain module.
pub fn plain_output(bytes: &[u8]) {
    unsafe { extism::output_set(share(bytes), bytes.len() as u64) }
}

/// Refuses: the client gets the text, and the turn leaves nothing. Return what it returns.
pub fn plain_error(text: &str) -> i32 {
    unsafe { extism::error_set(share(text.as_bytes())) };
    1
}

mod raw {
    #[link(wasm_import_module = "vivarium")]
    extern "C" {
        pub fn input_len() -> usize;
        pub fn input_read(ptr: *mut u8, cap: usize) -> usize;
        pub fn output(ptr: *const u8, len: usize);
        pub fn result_len() -> usize;
        pub fn result_read(ptr: *mut u8, cap: usize) -> usize;
        #[link_name = "state_get"]
        pub fn state_get() -> i64;
        #[link_name = "state_set"]
        pub fn state_set(state: *const u8, state_len: usize) -> i64;
        #[link_name = "kv_get"]
        pub fn kv_get(key: *const u8, key_len: usize) -> i64;
        #[link_name = "kv_put"]
        pub fn kv_put(key: *const u8, key_len: usize, value: *const u8, value_len: usize) -> i64;
        #[link_name = "kv_delete"]
        pub fn kv_delete(key: *const u8, key_len: usize) -> i64;
        #[link_name = "kv_list"]
        pub fn kv_list(lo: *const u8, lo_len: usize, hi: *const u8, hi_len: usize, cursor: *const u8, cursor_len: usize, limit: i64, flags: i64) -> i64;
        #[link_name = "kv_delete_range"]
        pub fn kv_delete_range(lo: *const u8, lo_len: usize, hi: *const u8, hi_len: usize, limit: i64, flags: i64) -> i64;
        #[link_name = "broadcast"]
        pub fn broadcast(event: *const u8, event_len: usize, payload: *const u8, payload_len: usize) -> i64;
        #[link_name = "self"]
        pub fn self_() -> i64;
        #[link_name = "log"]
        pub fn log(level: i64, text: *const u8, text_len: usize) -> i64;
        #[link_name = "now"]
        pub fn now() -> i64;
        #[link_name = "random"]
        pub fn random(n: i64) -> i64;
        #[link_name = "config"]
        pub fn config(name: *const u8, name_len: usize) -> i64;
        #[link_name = "kv_get_batch"]
        pub fn kv_get_batch(keys: *const u8, keys_len: usize) -> i64;
        #[link_name = "kv_put_batch"]
        pub fn kv_put_batch(items: *const u8, items_len: usize) -> i64;
        #[link_name = "kv_delete_batch"]
        pub fn kv_delete_batch(keys: *const u8, keys_len: usize) -> i64;
        #[link_name = "conn_list"]
        pub fn conn_list() -> i64;
        #[link_name = "conn_get"]
        pub fn conn_get(conn: *const u8, conn_len: usize) -> i64;
        #[link_name = "conn_state_set"]
        pub fn conn_state_set(conn: *const u8, conn_len: usize, state: *const u8, state_len: usize) -> i64;
        #[link_name = "conn_send"]
        pub fn conn_send(conn: *const u8, conn_len: usize, event: *const u8, event_len: usize, payload: *const u8, payload_len: usize) -> i64;
        #[link_name = "conn_disconnect"]
        pub fn conn_disconnect(conn: *const u8, conn_len: usize, reason: *const u8, reason_len: usize) -> i64;
        #[link_name = "socket_send"]
        pub fn socket_send(conn: *const u8, conn_len: usize, data: *const u8, data_len: usize, text: i64) -> i64;
        #[link_name = "socket_close"]
        pub fn socket_close(conn: *const u8, conn_len: usize, code: i64, reason: *const u8, reason_len: usize) -> i64;
        #[link_name = "schedule_set"]
        pub fn schedule_set(schedule: *const u8, schedule_len: usize, args: *const u8, args_len: usize) -> i64;
        #[link_name = "schedule_cancel"]
        pub fn schedule_cancel(id: *const u8, id_len: usize) -> i64;
        #[link_name = "schedule_get"]
        pub fn schedule_get(id: *const u8, id_len: usize) -> i64;
        #[link_name = "schedule_list"]
        pub fn schedule_list() -> i64;
        #[link_name = "schedule_runs"]
        pub fn schedule_runs(id: *const u8, id_len: usize) -> i64;
        #[link_name = "task_fetch"]
        pub fn task_fetch(request: *const u8, request_len: usize, body: *const u8, body_len: usize, context: *const u8, context_len: usize) -> i64;
        #[link_name = "task_call"]
        pub fn task_call(target: *const u8, target_len: usize, action: *const u8, action_len: usize, args: *const u8, args_len: usize, context: *const u8, context_len: usize) -> i64;
        #[link_name = "task_timer"]
        pub fn task_timer(ms: i64, context: *const u8, context_len: usize) -> i64;
        #[link_name = "task_cancel"]
        pub fn task_cancel(id: *const u8, id_len: usize) -> i64;
        #[link_name = "fetch"]
        pub fn fetch(request: *const u8, request_len: usize, body: *const u8, body_len: usize) -> i64;
        #[link_name = "call"]
        pub fn call(target: *const u8, target_len: usize, action: *const u8, action_len: usize, args: *const u8, args_len: usize) -> i64;
        #[link_name = "send"]
        pub fn send(target: *const u8, target_len: usize, action: *const u8, action_len: usize, args: *const u8, args_len: usize) -> i64;
        #[link_name = "queue_send"]
        pub fn queue_send(target: *const u8, target_len: usize, queue: *const u8, queue_len: usize, body: *const u8, body_len: usize) -> i64;
        #[link_name = "actor_create"]
        pub fn actor_create(spec: *const u8, spec_len: usize, input: *const u8, input_len: usize) -> i64;
        #[link_name = "actor_find"]
        pub fn actor_find(target: *const u8, target_len: usize) -> i64;
        #[link_name = "actor_destroy"]
        pub fn actor_destroy(target: *const u8, target_len: usize) -> i64;
        #[link_name = "child_usage"]
        pub fn child_usage(id: *const u8, id_len: usize) -> i64;
        #[link_name = "module_upload"]
        pub fn module_upload(module: *const u8, module_len: usize, wasm: *const u8, wasm_len: usize, options: *const u8, options_len: usize) -> i64;
        #[link_name = "reply"]
        pub fn reply(request: i64, envelope: *const u8, envelope_len: usize) -> i64;
        #[link_name = "reply_head"]
        pub fn reply_head(request: i64, head: *const u8, head_len: usize) -> i64;
        #[link_name = "reply_part"]
        pub fn reply_part(request: i64, part: *const u8, part_len: usize) -> i64;
        #[link_name = "request_open"]
        pub fn request_open(request: i64) -> i64;
        #[link_name = "sleep"]
        pub fn sleep() -> i64;
        #[link_name = "destroy"]
        pub fn destroy() -> i64;
        #[link_name = "gas_left"]
        pub fn gas_left() -> i64;
        #[link_name = "dead_list"]
        pub fn dead_list(after: *const u8, after_len: usize) -> i64;
        #[link_name = "dead_retry"]
        pub fn dead_retry(id: *const u8, id_len: usize) -> i64;
    }
}

/// state_get returns the actor's state, or none if it was never set.
pub fn state_get() -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::state_get() })
}

/// state_set replaces the actor's state.
pub fn state_set(state: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::state_set(state.as_ptr(), state.len()) })
}

/// kv_get returns the value of a KV key, or none.
pub fn kv_get(key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::kv_get(key.as_ptr(), key.len()) })
}

/// kv_put sets a KV key.
pub fn kv_put(key: &[u8], value: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::kv_put(key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
}

/// kv_delete deletes a KV key; a missing key is no failure.
pub fn kv_delete(key: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::kv_delete(key.as_ptr(), key.len()) })
}

/// kv_list returns a page of the KV items with lo <= key < hi, in byte order.
pub fn kv_list(lo: &[u8], hi: &[u8], cursor: &[u8], limit: i64, flags: i64) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::kv_list(lo.as_ptr(), lo.len(), hi.as_ptr(), hi.len(), cursor.as_ptr(), cursor.len(), limit, flags) })
}

/// kv_delete_range deletes the KV items with lo <= key < hi, at most limit of them, and returns how many.
pub fn kv_delete_range(lo: &[u8], hi: &[u8], limit: i64, flags: i64) -> Result<i64, Failure> {
    number(unsafe { raw::kv_delete_range(lo.as_ptr(), lo.len(), hi.as_ptr(), hi.len(), limit, flags) })
}

/// broadcast sends an event to the actor's connections once the turn is durable; payload is a list in the module's codec.
pub fn broadcast(event: &[u8], payload: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::broadcast(event.as_ptr(), event.len(), payload.as_ptr(), payload.len()) })
}

/// self describes the actor, as JSON.
pub fn self_() -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::self_() })
}

/// log adds a line to the actor's log; levels are 0 trace, 1 debug, 2 info, 3 warn, 4 error.
pub fn log(level: i64, text: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::log(level, text.as_ptr(), text.len()) })
}

/// now returns the turn's clock in milliseconds since 1970; it stands still inside a turn.
pub fn now() -> Result<i64, Failure> {
    number(unsafe { raw::now() })
}

/// random returns n random bytes.
pub fn random(n: i64) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::random(n) })
}

/// config returns a value that the tenant set for the module, or none.
pub fn config(name: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::config(name.as_ptr(), name.len()) })
}

/// kv_get_batch returns a page with those of up to 128 KV keys that there are, in the order asked for; keys is a page without values.
pub fn kv_get_batch(keys: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::kv_get_batch(keys.as_ptr(), keys.len()) })
}

/// kv_put_batch sets up to 128 KV items, given as a page, or none of them.
pub fn kv_put_batch(items: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::kv_put_batch(items.as_ptr(), items.len()) })
}

/// kv_delete_batch deletes up to 128 KV keys, given as a page without values, or none of them.
pub fn kv_delete_batch(keys: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::kv_delete_batch(keys.as_ptr(), keys.len()) })
}

/// conn_list lists the actor's connections, as JSON; past 4 MiB without params, state and subscriptions.
pub fn conn_list() -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::conn_list() })
}

/// conn_get describes one connection, as JSON, or none.
pub fn conn_get(conn: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::conn_get(conn.as_ptr(), conn.len()) })
}

/// conn_state_set replaces a connection's state, a document.
pub fn conn_state_set(conn: &[u8], state: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::conn_state_set(conn.as_ptr(), conn.len(), state.as_ptr(), state.len()) })
}

/// conn_send sends an event to one connection once the turn is durable; payload is a list.
pub fn conn_send(conn: &[u8], event: &[u8], payload: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::conn_send(conn.as_ptr(), conn.len(), event.as_ptr(), event.len(), payload.as_ptr(), payload.len()) })
}

/// conn_disconnect closes a connection once the turn is durable.
pub fn conn_disconnect(conn: &[u8], reason: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::conn_disconnect(conn.as_ptr(), conn.len(), reason.as_ptr(), reason.len()) })
}

/// socket_send sends a message on a raw socket once the turn is durable, as text if text is 1.
pub fn socket_send(conn: &[u8], data: &[u8], text: i64) -> Result<(), Failure> {
    done(unsafe { raw::socket_send(conn.as_ptr(), conn.len(), data.as_ptr(), data.len(), text) })
}

/// socket_close closes a raw socket once the turn is durable; code is 1000 or 3000 to 4999.
pub fn socket_close(conn: &[u8], code: i64, reason: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::socket_close(conn.as_ptr(), conn.len(), code, reason.as_ptr(), reason.len()) })
}

/// schedule_set makes or replaces a schedule, JSON, that calls an action of the actor, and returns its id.
pub fn schedule_set(schedule: &[u8], args: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::schedule_set(schedule.as_ptr(), schedule.len(), args.as_ptr(), args.len()) })
}

/// schedule_cancel removes a schedule by id or name, and returns 1 if there was one.
pub fn schedule_cancel(id: &[u8]) -> Result<i64, Failure> {
    number(unsafe { raw::schedule_cancel(id.as_ptr(), id.len()) })
}

/// schedule_get describes a schedule by id or name, as JSON, or none.
pub fn schedule_get(id: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::schedule_get(id.as_ptr(), id.len()) })
}

/// schedule_list lists the actor's schedules, as JSON.
pub fn schedule_list() -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::schedule_list() })
}

/// schedule_runs lists the last runs of a schedule, newest first, as JSON.
pub fn schedule_runs(id: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::schedule_runs(id.as_ptr(), id.len()) })
}

/// task_fetch begins an HTTP request, JSON, whose answer is a later turn with context, and returns the task's id.
pub fn task_fetch(request: &[u8], body: &[u8], context: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::task_fetch(request.as_ptr(), request.len(), body.as_ptr(), body.len(), context.as_ptr(), context.len()) })
}

/// task_call begins a call of another actor whose answer is a later turn with context, and returns the task's id.
pub fn task_call(target: &[u8], action: &[u8], args: &[u8], context: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::task_call(target.as_ptr(), target.len(), action.as_ptr(), action.len(), args.as_ptr(), args.len(), context.as_ptr(), context.len()) })
}

/// task_timer begins a wait that ends in a later turn with context, and returns the task's id.
pub fn task_timer(ms: i64, context: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::task_timer(ms, context.as_ptr(), context.len()) })
}

/// task_cancel ends a task whose outcome is not wanted any more, and returns 1 if there was one.
pub fn task_cancel(id: &[u8]) -> Result<i64, Failure> {
    number(unsafe { raw::task_cancel(id.as_ptr(), id.len()) })
}

/// fetch makes an HTTP request, JSON, and waits for the answer, an envelope; it is not undone with the turn.
pub fn fetch(request: &[u8], body: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::fetch(request.as_ptr(), request.len(), body.as_ptr(), body.len()) })
}

/// call calls an action of another actor at once and waits for the answer, an envelope; it is not undone with the turn.
pub fn call(target: &[u8], action: &[u8], args: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::call(target.as_ptr(), target.len(), action.as_ptr(), action.len(), args.as_ptr(), args.len()) })
}

/// send calls an action of another actor once the turn is durable, exactly once in effect, in order, without an answer.
pub fn send(target: &[u8], action: &[u8], args: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::send(target.as_ptr(), target.len(), action.as_ptr(), action.len(), args.as_ptr(), args.len()) })
}

/// queue_send puts a message into a queue of another actor, or of this one if target is empty, once the turn is durable.
pub fn queue_send(target: &[u8], queue: &[u8], body: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::queue_send(target.as_ptr(), target.len(), queue.as_ptr(), queue.len(), body.as_ptr(), body.len()) })
}

/// actor_create makes an actor at once, from JSON, and describes it; it is not undone with the turn.
pub fn actor_create(spec: &[u8], input: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::actor_create(spec.as_ptr(), spec.len(), input.as_ptr(), input.len()) })
}

/// actor_find describes another actor, as JSON, or none.
pub fn actor_find(target: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::actor_find(target.as_ptr(), target.len()) })
}

/// actor_destroy destroys another actor at once, and returns 1 if there was one; it is not undone with the turn.
pub fn actor_destroy(target: &[u8]) -> Result<i64, Failure> {
    number(unsafe { raw::actor_destroy(target.as_ptr(), target.len()) })
}

/// child_usage says what a child of the actor has used, as JSON, or none.
pub fn child_usage(id: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::child_usage(id.as_ptr(), id.len()) })
}

/// module_upload uploads a module for the actor's children at once and returns the report, JSON; it is not undone with the turn.
pub fn module_upload(module: &[u8], wasm: &[u8], options: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::module_upload(module.as_ptr(), module.len(), wasm.as_ptr(), wasm.len(), options.as_ptr(), options.len()) })
}

/// reply answers an open request with a reply's envelope once the turn is durable.
pub fn reply(request: i64, envelope: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::reply(request, envelope.as_ptr(), envelope.len()) })
}

/// reply_head begins the answer to an open raw HTTP request, JSON, once the turn is durable.
pub fn reply_head(request: i64, head: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::reply_head(request, head.as_ptr(), head.len()) })
}

/// reply_part sends a part of the answer to an open raw HTTP request once the turn is durable.
pub fn reply_part(request: i64, part: &[u8]) -> Result<(), Failure> {
    done(unsafe { raw::reply_part(request, part.as_ptr(), part.len()) })
}

/// request_open returns 1 if somebody still waits for the answer to a request.
pub fn request_open(request: i64) -> Result<i64, Failure> {
    number(unsafe { raw::request_open(request) })
}

/// sleep lets the actor sleep as soon as nothing waits for it.
pub fn sleep() -> Result<(), Failure> {
    done(unsafe { raw::sleep() })
}

/// destroy ends the actor and all it has, if the turn succeeds.
pub fn destroy() -> Result<(), Failure> {
    done(unsafe { raw::destroy() })
}

/// gas_left returns the gas that the turn may still use.
pub fn gas_left() -> Result<i64, Failure> {
    number(unsafe { raw::gas_left() })
}

/// dead_list lists messages, sends and task results that were given up, oldest first behind an id, as JSON.
pub fn dead_list(after: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    bytes(unsafe { raw::dead_list(after.as_ptr(), after.len()) })
}

/// dead_retry tries what was given up again, and returns 1 if there is such a thing.
pub fn dead_retry(id: &[u8]) -> Result<i64, Failure> {
    number(unsafe { raw::dead_retry(id.as_ptr(), id.len()) })
}
