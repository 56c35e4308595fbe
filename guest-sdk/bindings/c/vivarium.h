// Code generated from the table of operations in hostfuncs; DO NOT EDIT. Run `make generate`.
//
// Operations of Vivarium for guests. The contract is guest-sdk/ABI.md. An operation returns zero or more if it
// succeeded, -1 if there is no such thing, and below that a code, negated, whose message can be fetched. The
// plain_ functions are for plain modules, whose actions are their exports: they go by Extism's memory.
#ifndef VIVARIUM_H
#define VIVARIUM_H

#include <stddef.h>
#include <stdint.h>

// Numbers.

#define VIV_ABSENT INT64_C(-1) // what an operation returns for "there is none"
#define VIV_LIST_REVERSE INT64_C(1) // flag of kv_list and kv_delete_range: from the end of the range
#define VIV_LIST_KEYS INT64_C(2) // flag: leave the values out
#define VIV_LIST_PREFIX INT64_C(4) // flag: lo is a prefix, hi is ignored
#define VIV_LEVEL_TRACE INT64_C(0) // level of a line in the log
#define VIV_LEVEL_DEBUG INT64_C(1) // level of a line in the log
#define VIV_LEVEL_INFO INT64_C(2) // level of a line in the log
#define VIV_LEVEL_WARN INT64_C(3) // level of a line in the log
#define VIV_LEVEL_ERROR INT64_C(4) // level of a line in the log
#define VIV_CODE_CORE_INTERNAL_ERROR INT64_C(1) // An internal error occurred
#define VIV_CODE_GUARD_INVALID_REQUEST INT64_C(2) // The request is malformed
#define VIV_CODE_USER_USER_ERROR INT64_C(3) // The actor refused the request
#define VIV_CODE_RIVETKIT_INTERNAL_ERROR INT64_C(4) // An internal error occurred
#define VIV_CODE_AUTH_UNAUTHENTICATED INT64_C(5) // A valid token is required
#define VIV_CODE_AUTH_FORBIDDEN INT64_C(6) // The token does not allow this
#define VIV_CODE_API_NOT_FOUND INT64_C(7) // No such route
#define VIV_CODE_API_METHOD_NOT_ALLOWED INT64_C(8) // The route does not take this method
#define VIV_CODE_MESSAGE_INCOMING_TOO_LONG INT64_C(9) // The body is too large
#define VIV_CODE_GUARD_REQUEST_TIMEOUT INT64_C(10) // The request did not arrive in time
#define VIV_CODE_GUARD_UNSUPPORTED_MEDIA_TYPE INT64_C(11) // The content type is not supported
#define VIV_CODE_NAMESPACE_NOT_FOUND INT64_C(12) // No such namespace
#define VIV_CODE_NAMESPACE_EXISTS INT64_C(13) // The namespace exists
#define VIV_CODE_MODULE_NOT_FOUND INT64_C(14) // No such module or version
#define VIV_CODE_MODULE_MALFORMED INT64_C(15) // The body is not a WebAssembly module
#define VIV_CODE_MODULE_LIMIT_EXCEEDED INT64_C(16) // The module breaks a limit
#define VIV_CODE_MODULE_UNRESOLVED_IMPORT INT64_C(17) // The module imports what this host does not have
#define VIV_CODE_MODULE_INVALID INT64_C(18) // The module cannot run
#define VIV_CODE_MODULE_NAME_TAKEN INT64_C(19) // An actor name belongs to another module
#define VIV_CODE_MODULE_IN_USE INT64_C(20) // The module has actors
#define VIV_CODE_ACTOR_NOT_FOUND INT64_C(21) // No such actor
#define VIV_CODE_ACTOR_DUPLICATE_KEY INT64_C(22) // An actor with this key exists
#define VIV_CODE_ACTOR_INVALID_KEY INT64_C(23) // The actor key is not valid
#define VIV_CODE_ACTOR_ACTION_NOT_FOUND INT64_C(24) // The actor has no such action
#define VIV_CODE_ACTOR_ACTION_TIMED_OUT INT64_C(25) // The action took too long
#define VIV_CODE_ACTOR_OVERLOADED INT64_C(26) // Too many requests wait for this actor
#define VIV_CODE_ACTOR_TRAPPED INT64_C(27) // The actor's code failed
#define VIV_CODE_ACTOR_NO_VERSION INT64_C(28) // No live module version defines this actor
#define VIV_CODE_ACTOR_OUTCOME_UNKNOWN INT64_C(29) // The store could not say whether the action was saved
#define VIV_CODE_ACTOR_REPLY_LOST INT64_C(30) // The actor was reset before it answered
#define VIV_CODE_GUARD_SERVICE_UNAVAILABLE INT64_C(31) // The host is stopping
#define VIV_CODE_CORE_STORAGE_FULL INT64_C(32) // The store takes no more writes
#define VIV_CODE_ACTOR_DELTA_TOO_LARGE INT64_C(33) // The turn writes too much
#define VIV_CODE_ACTOR_OUTBOX_TOO_LARGE INT64_C(34) // The turn sends too much
#define VIV_CODE_ACTOR_KEY_TOO_LARGE INT64_C(35) // The KV key is too long
#define VIV_CODE_ACTOR_VALUE_TOO_LARGE INT64_C(36) // The KV value is too large
#define VIV_CODE_ACTOR_STATE_TOO_LARGE INT64_C(37) // The state is too large
#define VIV_CODE_ACTOR_TOO_MANY_EVENTS INT64_C(38) // The turn broadcasts too many events
#define VIV_CODE_ACTOR_TOO_MANY_HOST_CALLS INT64_C(39) // The turn calls the host too often
#define VIV_CODE_ACTOR_INVALID_ARGUMENT INT64_C(40) // A host function was given a wrong argument
#define VIV_CODE_MESSAGE_OUTGOING_TOO_LONG INT64_C(41) // The result is too large
#define VIV_CODE_ACTOR_INPUT_TOO_LARGE INT64_C(42) // The input is too large
#define VIV_CODE_ACTOR_HANDLE_MEMORY INT64_C(43) // The turn's Extism memory is used up
#define VIV_CODE_ACTOR_VARS_TOO_LARGE INT64_C(44) // The Extism vars are too large
#define VIV_CODE_ACTOR_NOT_SUPPORTED INT64_C(45) // The operation is not supported here
#define VIV_CODE_ACTOR_RESTARTING INT64_C(46) // The actor was taken over while the request ran
#define VIV_CODE_GUARD_SERVICE_BUSY INT64_C(47) // The host is too busy for this
#define VIV_CODE_MODULE_UNSUPPORTED INT64_C(48) // The module needs a WebAssembly feature that this host does not have
#define VIV_CODE_ACTOR_GAS_EXHAUSTED INT64_C(49) // The action computed too much
#define VIV_CODE_ACTOR_CALL_CYCLE INT64_C(50) // The call leads back into an actor that waits for it
#define VIV_CODE_ACTOR_CALL_DEPTH INT64_C(51) // The chain of calls is too long
#define VIV_CODE_ACTOR_CRASH_LOOP INT64_C(52) // The actor fails whenever it starts
#define VIV_CODE_ACTOR_IDEMPOTENCY_MISMATCH INT64_C(53) // The idempotency key was used with other arguments
#define VIV_CODE_ACTOR_ALREADY_DONE INT64_C(54) // The request was done before; its answer was too large to keep
#define VIV_CODE_ACTOR_TOO_MANY_IDEMPOTENCY_KEYS INT64_C(55) // The actor keeps too many idempotency keys
#define VIV_CODE_ACTOR_TOO_MANY_SCHEDULES INT64_C(56) // The actor has too many schedules
#define VIV_CODE_ACTOR_INVALID_SCHEDULE INT64_C(57) // The schedule is not valid
#define VIV_CODE_QUEUE_FULL INT64_C(58) // The queue is full
#define VIV_CODE_QUEUE_MESSAGE_TOO_LARGE INT64_C(59) // The queue message is too large
#define VIV_CODE_QUEUE_NOT_FOUND INT64_C(60) // The actor has no such queue
#define VIV_CODE_EGRESS_DENIED INT64_C(61) // The module may not reach this address
#define VIV_CODE_EGRESS_FAILED INT64_C(62) // The server could not be reached
#define VIV_CODE_EGRESS_RESPONSE_TOO_LARGE INT64_C(63) // The server's answer is too large
#define VIV_CODE_ACTOR_TOO_MANY_FETCHES INT64_C(64) // The turn fetches too often
#define VIV_CODE_ACTOR_TOO_MANY_CALLS INT64_C(65) // The turn calls other actors too often
#define VIV_CODE_ACTOR_TOO_MANY_TASKS INT64_C(66) // The actor has too many tasks
#define VIV_CODE_ACTOR_TOO_MANY_OPEN_REQUESTS INT64_C(67) // Too many requests of the actor are open
#define VIV_CODE_ACTOR_TOO_MANY_SENDS INT64_C(68) // Too many sends of the actor wait for delivery
#define VIV_CODE_ACTOR_CONNECTION_NOT_FOUND INT64_C(69) // The actor has no such connection
#define VIV_CODE_ACTOR_CONNECTION_STATE_TOO_LARGE INT64_C(70) // The connection state is too large
#define VIV_CODE_ACTOR_TOO_MANY_CONNECTIONS INT64_C(71) // The actor has too many connections
#define VIV_CODE_AUTH_FORBIDDEN_ORIGIN INT64_C(72) // Pages of this origin may not reach the actor
#define VIV_CODE_ACTOR_NO_HANDLER INT64_C(73) // The actor has no handler for this
#define VIV_CODE_ACTOR_CHILD_ENDED INT64_C(74) // The child has used up its limits
#define VIV_CODE_ACTOR_REQUEST_NOT_OPEN INT64_C(75) // The request is not open
#define VIV_CODE_GUARD_RATE_LIMIT INT64_C(76) // Too many requests
#define VIV_CODE_QUOTA_EXCEEDED INT64_C(77) // The namespace has used up what it may
#define VIV_CODE_SECRET_NO_KEY INT64_C(78) // The host has no key for secrets
#define VIV_CODE_SECRET_UNREADABLE INT64_C(79) // The secret cannot be read with the host's key for secrets
#define VIV_CODE_NAMESPACE_DELETING INT64_C(80) // The namespace of this name is still being removed
#define VIV_CODE_AUDIT_UNAVAILABLE INT64_C(81) // The audit log cannot be written
#define VIV_CODE_ARCHIVE_INVALID INT64_C(82) // The file is damaged, or no export of a host
#define VIV_MAX_KV_KEY INT64_C(2048) // a KV key
#define VIV_MAX_KV_VALUE INT64_C(1048576) // a KV value
#define VIV_MAX_KV_BATCH INT64_C(128) // items of one batch call
#define VIV_MAX_LIST_ITEMS INT64_C(1000) // items of one list call; more are paged
#define VIV_MAX_LIST_BYTES INT64_C(1048576) // keys and values of one list call; at least one item is returned
#define VIV_MAX_STATE INT64_C(4194304) // an actor's state
#define VIV_MAX_VARS INT64_C(1048576) // names and values of all Extism vars of an actor
#define VIV_MAX_DELTA INT64_C(8388608) // keys and values that a turn writes
#define VIV_MAX_DELTA_OPS INT64_C(10000) // items that a turn writes or deletes
#define VIV_MAX_OUTBOX INT64_C(4194304) // events and result of a turn
#define VIV_MAX_EVENTS INT64_C(1000) // events of a turn
#define VIV_MAX_EVENT_NAME INT64_C(256) // an event's name
#define VIV_MAX_LOG INT64_C(262144) // what a turn may log; the rest is cut with a note
#define VIV_MAX_ERROR_TEXT INT64_C(4096) // a guest's error text; the rest is cut
#define VIV_MAX_HANDLE_BYTES INT64_C(16777216) // a turn's Extism memory
#define VIV_MAX_HOST_CALLS INT64_C(100000) // host calls of a turn that do work (not Extism loads and stores)
#define VIV_MAX_INPUT INT64_C(4194304) // an actor's creation input
#define VIV_MAX_ARGS INT64_C(1048576) // an action's arguments
#define VIV_MAX_RESULT INT64_C(1048576) // an action's result
#define VIV_MAX_MEMORY INT64_C(67108864) // an instance's linear memory
#define VIV_MAX_TURN_SECONDS INT64_C(60) // wall time of a turn
#define VIV_MAX_GAS INT64_C(5000000000) // gas of a turn
#define VIV_MAX_STACK INT64_C(8388608) // frames of a turn, as they are estimated
#define VIV_MAX_SCHEDULES INT64_C(1000) // schedules of an actor
#define VIV_MAX_SCHEDULE_AHEAD INT64_C(36600) // days from now to a schedule's moment
#define VIV_MAX_SCHEDULE_ARGS INT64_C(65536) // a schedule's arguments
#define VIV_MIN_INTERVAL INT64_C(5000) // milliseconds between runs of a recurring schedule
#define VIV_MAX_RUNS INT64_C(100) // runs that are kept of one schedule
#define VIV_MAX_RUNS_OF_ACTOR INT64_C(1000) // runs that are kept of all of an actor's
#define VIV_MAX_QUEUE_SIZE INT64_C(1000) // messages that wait in an actor's queues, of the actor's choice; at most 10,000
#define VIV_MAX_QUEUE_MESSAGE INT64_C(65536) // body of a queue message, of the actor's choice; at most 128 KiB
#define VIV_MAX_QUEUE_BATCH INT64_C(100) // messages of one turn
#define VIV_MAX_DEAD_LETTERS INT64_C(1000) // the oldest goes for a new one
#define VIV_MAX_ATTEMPTS INT64_C(5) // of a queue message, a send or a task result
#define VIV_MAX_CONNS INT64_C(16384) // connections of an actor
#define VIV_MAX_CONN_PARAMS INT64_C(4096) // a connection's params
#define VIV_MAX_CONN_STATE INT64_C(65536) // a connection's state
#define VIV_MAX_CONN_EVENTS INT64_C(256) // subscriptions of a connection
#define VIV_MAX_SOCKET_MESSAGE INT64_C(1048576) // a raw socket's message, unless the manifest has another
#define VIV_MAX_REASON INT64_C(123) // reason of a WebSocket close
#define VIV_MAX_OPEN_REQUESTS INT64_C(256) // requests of an actor that outlive their turns
#define VIV_MAX_BODY INT64_C(4194304) // body of a raw HTTP request
#define VIV_MAX_RESPONSE_PART INT64_C(1048576) // one part of a raw HTTP answer
#define VIV_MAX_TASKS INT64_C(256) // tasks of an actor that have not ended
#define VIV_MAX_TASK_CONTEXT INT64_C(65536) // a task's context
#define VIV_MAX_CALL_DEPTH INT64_C(16) // actors in a chain of calls
#define VIV_MAX_CALLS INT64_C(1000) // calls, creations and destroys of a turn
#define VIV_MAX_SENDS INT64_C(1000) // sends of an actor that wait for delivery
#define VIV_MAX_FETCHES INT64_C(50) // fetches of a turn
#define VIV_MAX_FETCH_BODY INT64_C(8388608) // body of a fetch or its answer, decompressed
#define VIV_MAX_IDEMPOTENCY_KEY INT64_C(255) // an idempotency key
#define VIV_MAX_IDEMPOTENCY_KEYS INT64_C(10000) // live records of an actor
#define VIV_MAX_IDEMPOTENCY_BODY INT64_C(65536) // an answer that a record keeps
#define VIV_IDEMPOTENCY_HOURS INT64_C(24) // that a record lives
#define VIV_MAX_HOOK_SECONDS INT64_C(5) // wall time of a hook
#define VIV_MAX_ACTOR_NAME INT64_C(64) // bytes; see tenants.ValidName
#define VIV_MAX_KEY_COMPONENT INT64_C(128) // bytes of one component of an actor key
#define VIV_MAX_KEY INT64_C(1024) // bytes of an actor key in its canonical form

// VIV_EXPORT makes a function an action: VIV_EXPORT(add) { … return 0; }
#define VIV_EXPORT(name) __attribute__((export_name(#name))) int32_t name(void)

#define VIV_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

// Bytes that somebody else owns.
typedef struct {
  const void *ptr;
  size_t len;
} viv_bytes;

// VIV_STR is the bytes of a string literal, VIV_BYTES those at a place.
#define VIV_STR(literal) ((viv_bytes){(literal), sizeof(literal) - 1})
#define VIV_BYTES(ptr, len) ((viv_bytes){(ptr), (len)})

// viv_failed returns the code with which an operation failed, 0 if it did not.
static inline int64_t viv_failed(int64_t returned) { return returned < VIV_ABSENT ? -returned : 0; }

// The turn's input, and the result of the last operation or the message of its failure. The read functions
// copy at most cap bytes and return how many.
VIV_IMPORT("vivarium", "input_len") uint32_t viv_input_len(void);
VIV_IMPORT("vivarium", "input_read") uint32_t viv_input_read(void *buf, size_t cap);
VIV_IMPORT("vivarium", "result_len") uint32_t viv_result_len(void);
VIV_IMPORT("vivarium", "result_read") uint32_t viv_result_read(void *buf, size_t cap);

// viv_output sets the output of actor_manifest and actor_turn.
VIV_IMPORT("vivarium", "output") void viv_output(const void *ptr, size_t len);

VIV_IMPORT("extism:host/env", "alloc") uint64_t viv_extism_alloc(uint64_t len);
VIV_IMPORT("extism:host/env", "store_u8") void viv_extism_store_u8(uint64_t at, uint32_t byte);
VIV_IMPORT("extism:host/env", "store_u64") void viv_extism_store_u64(uint64_t at, uint64_t word);
VIV_IMPORT("extism:host/env", "output_set") void viv_extism_output_set(uint64_t at, uint64_t len);
VIV_IMPORT("extism:host/env", "error_set") void viv_extism_error_set(uint64_t at);

// viv_plain_share copies bytes into Extism's memory and returns where.
static inline uint64_t viv_plain_share(viv_bytes b) {
  const uint8_t *p = (const uint8_t *)b.ptr;
  uint64_t at = viv_extism_alloc(b.len);
  size_t i = 0;
  for (; i + 8 <= b.len; i += 8) {
    uint64_t word;
    __builtin_memcpy(&word, p + i, 8);
    viv_extism_store_u64(at + i, word);
  }
  for (; i < b.len; i++) viv_extism_store_u8(at + i, p[i]);
  return at;
}

// viv_plain_output sets the result of an action of a plain module.
static inline void viv_plain_output(viv_bytes b) { viv_extism_output_set(viv_plain_share(b), b.len); }

// viv_plain_error refuses: the client gets the text, and the turn leaves nothing. Return what it returns.
static inline int32_t viv_plain_error(viv_bytes text) {
  viv_extism_error_set(viv_plain_share(text));
  return 1;
}

// viv_item is an item of a page, which kv_list and kv_get_batch give.
typedef struct {
  viv_bytes key, value;
} viv_item;

static inline uint32_t viv_page_u32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// viv_page_more reports whether the range has items behind those of a page. The cursor of the next page is
// the last key of this one.
static inline int viv_page_more(viv_bytes page) { return page.len > 0 && *(const uint8_t *)page.ptr == 1; }

// viv_page_next gives the item at *at, which begins as 0, and moves *at behind it. It returns 0 at the end.
static inline int viv_page_next(viv_bytes page, size_t *at, viv_item *item) {
  const uint8_t *p = (const uint8_t *)page.ptr;
  size_t i = *at == 0 ? 1 : *at;
  if (i + 4 > page.len) return 0;
  item->key = VIV_BYTES(p + i + 4, viv_page_u32(p + i));
  i += 4 + item->key.len;
  item->value = VIV_BYTES(p + i + 4, viv_page_u32(p + i));
  *at = i + 4 + item->value.len;
  return 1;
}

// Operations.

VIV_IMPORT("vivarium", "state_get") int64_t viv_raw_state_get(void);
VIV_IMPORT("vivarium", "state_set") int64_t viv_raw_state_set(const void *state, size_t state_len);
VIV_IMPORT("vivarium", "kv_get") int64_t viv_raw_kv_get(const void *key, size_t key_len);
VIV_IMPORT("vivarium", "kv_put") int64_t viv_raw_kv_put(const void *key, size_t key_len, const void *value, size_t value_len);
VIV_IMPORT("vivarium", "kv_delete") int64_t viv_raw_kv_delete(const void *key, size_t key_len);
VIV_IMPORT("vivarium", "kv_list") int64_t viv_raw_kv_list(const void *lo, size_t lo_len, const void *hi, size_t hi_len, const void *cursor, size_t cursor_len, int64_t limit, int64_t flags);
VIV_IMPORT("vivarium", "kv_delete_range") int64_t viv_raw_kv_delete_range(const void *lo, size_t lo_len, const void *hi, size_t hi_len, int64_t limit, int64_t flags);
VIV_IMPORT("vivarium", "broadcast") int64_t viv_raw_broadcast(const void *event, size_t event_len, const void *payload, size_t payload_len);
VIV_IMPORT("vivarium", "self") int64_t viv_raw_self(void);
VIV_IMPORT("vivarium", "log") int64_t viv_raw_log(int64_t level, const void *text, size_t text_len);
VIV_IMPORT("vivarium", "now") int64_t viv_raw_now(void);
VIV_IMPORT("vivarium", "random") int64_t viv_raw_random(int64_t n);
VIV_IMPORT("vivarium", "config") int64_t viv_raw_config(const void *name, size_t name_len);
VIV_IMPORT("vivarium", "kv_get_batch") int64_t viv_raw_kv_get_batch(const void *keys, size_t keys_len);
VIV_IMPORT("vivarium", "kv_put_batch") int64_t viv_raw_kv_put_batch(const void *items, size_t items_len);
VIV_IMPORT("vivarium", "kv_delete_batch") int64_t viv_raw_kv_delete_batch(const void *keys, size_t keys_len);
VIV_IMPORT("vivarium", "conn_list") int64_t viv_raw_conn_list(void);
VIV_IMPORT("vivarium", "conn_get") int64_t viv_raw_conn_get(const void *conn, size_t conn_len);
VIV_IMPORT("vivarium", "conn_state_set") int64_t viv_raw_conn_state_set(const void *conn, size_t conn_len, const void *state, size_t state_len);
VIV_IMPORT("vivarium", "conn_send") int64_t viv_raw_conn_send(const void *conn, size_t conn_len, const void *event, size_t event_len, const void *payload, size_t payload_len);
VIV_IMPORT("vivarium", "conn_disconnect") int64_t viv_raw_conn_disconnect(const void *conn, size_t conn_len, const void *reason, size_t reason_len);
VIV_IMPORT("vivarium", "socket_send") int64_t viv_raw_socket_send(const void *conn, size_t conn_len, const void *data, size_t data_len, int64_t text);
VIV_IMPORT("vivarium", "socket_close") int64_t viv_raw_socket_close(const void *conn, size_t conn_len, int64_t code, const void *reason, size_t reason_len);
VIV_IMPORT("vivarium", "schedule_set") int64_t viv_raw_schedule_set(const void *schedule, size_t schedule_len, const void *args, size_t args_len);
VIV_IMPORT("vivarium", "schedule_cancel") int64_t viv_raw_schedule_cancel(const void *id, size_t id_len);
VIV_IMPORT("vivarium", "schedule_get") int64_t viv_raw_schedule_get(const void *id, size_t id_len);
VIV_IMPORT("vivarium", "schedule_list") int64_t viv_raw_schedule_list(void);
VIV_IMPORT("vivarium", "schedule_runs") int64_t viv_raw_schedule_runs(const void *id, size_t id_len);
VIV_IMPORT("vivarium", "task_fetch") int64_t viv_raw_task_fetch(const void *request, size_t request_len, const void *body, size_t body_len, const void *context, size_t context_len);
VIV_IMPORT("vivarium", "task_call") int64_t viv_raw_task_call(const void *target, size_t target_len, const void *action, size_t action_len, const void *args, size_t args_len, const void *context, size_t context_len);
VIV_IMPORT("vivarium", "task_timer") int64_t viv_raw_task_timer(int64_t ms, const void *context, size_t context_len);
VIV_IMPORT("vivarium", "task_cancel") int64_t viv_raw_task_cancel(const void *id, size_t id_len);
VIV_IMPORT("vivarium", "fetch") int64_t viv_raw_fetch(const void *request, size_t request_len, const void *body, size_t body_len);
VIV_IMPORT("vivarium", "call") int64_t viv_raw_call(const void *target, size_t target_len, const void *action, size_t action_len, const void *args, size_t args_len);
VIV_IMPORT("vivarium", "send") int64_t viv_raw_send(const void *target, size_t target_len, const void *action, size_t action_len, const void *args, size_t args_len);
VIV_IMPORT("vivarium", "queue_send") int64_t viv_raw_queue_send(const void *target, size_t target_len, const void *queue, size_t queue_len, const void *body, size_t body_len);
VIV_IMPORT("vivarium", "actor_create") int64_t viv_raw_actor_create(const void *spec, size_t spec_len, const void *input, size_t input_len);
VIV_IMPORT("vivarium", "actor_find") int64_t viv_raw_actor_find(const void *target, size_t target_len);
VIV_IMPORT("vivarium", "actor_destroy") int64_t viv_raw_actor_destroy(const void *target, size_t target_len);
VIV_IMPORT("vivarium", "child_usage") int64_t viv_raw_child_usage(const void *id, size_t id_len);
VIV_IMPORT("vivarium", "module_upload") int64_t viv_raw_module_upload(const void *module, size_t module_len, const void *wasm, size_t wasm_len, const void *options, size_t options_len);
VIV_IMPORT("vivarium", "reply") int64_t viv_raw_reply(int64_t request, const void *envelope, size_t envelope_len);
VIV_IMPORT("vivarium", "reply_head") int64_t viv_raw_reply_head(int64_t request, const void *head, size_t head_len);
VIV_IMPORT("vivarium", "reply_part") int64_t viv_raw_reply_part(int64_t request, const void *part, size_t part_len);
VIV_IMPORT("vivarium", "request_open") int64_t viv_raw_request_open(int64_t request);
VIV_IMPORT("vivarium", "sleep") int64_t viv_raw_sleep(void);
VIV_IMPORT("vivarium", "destroy") int64_t viv_raw_destroy(void);
VIV_IMPORT("vivarium", "gas_left") int64_t viv_raw_gas_left(void);
VIV_IMPORT("vivarium", "dead_list") int64_t viv_raw_dead_list(const void *after, size_t after_len);
VIV_IMPORT("vivarium", "dead_retry") int64_t viv_raw_dead_retry(const void *id, size_t id_len);

// state_get returns the actor's state, or none if it was never set. Returns the length of the result.
static inline int64_t viv_state_get(void) { return viv_raw_state_get(); }

// state_set replaces the actor's state. Returns 0.
static inline int64_t viv_state_set(viv_bytes state) { return viv_raw_state_set(state.ptr, state.len); }

// kv_get returns the value of a KV key, or none. Returns the length of the result.
static inline int64_t viv_kv_get(viv_bytes key) { return viv_raw_kv_get(key.ptr, key.len); }

// kv_put sets a KV key. Returns 0.
static inline int64_t viv_kv_put(viv_bytes key, viv_bytes value) { return viv_raw_kv_put(key.ptr, key.len, value.ptr, value.len); }

// kv_delete deletes a KV key; a missing key is no failure. Returns 0.
static inline int64_t viv_kv_delete(viv_bytes key) { return viv_raw_kv_delete(key.ptr, key.len); }

// kv_list returns a page of the KV items with lo <= key < hi, in byte order. Returns the length of the result.
static inline int64_t viv_kv_list(viv_bytes lo, viv_bytes hi, viv_bytes cursor, int64_t limit, int64_t flags) { return viv_raw_kv_list(lo.ptr, lo.len, hi.ptr, hi.len, cursor.ptr, cursor.len, limit, flags); }

// kv_delete_range deletes the KV items with lo <= key < hi, at most limit of them, and returns how many. Returns the number.
static inline int64_t viv_kv_delete_range(viv_bytes lo, viv_bytes hi, int64_t limit, int64_t flags) { return viv_raw_kv_delete_range(lo.ptr, lo.len, hi.ptr, hi.len, limit, flags); }

// broadcast sends an event to the actor's connections once the turn is durable; payload is a list in the module's codec. Returns 0.
static inline int64_t viv_broadcast(viv_bytes event, viv_bytes payload) { return viv_raw_broadcast(event.ptr, event.len, payload.ptr, payload.len); }

// self describes the actor, as JSON. Returns the length of the result.
static inline int64_t viv_self(void) { return viv_raw_self(); }

// log adds a line to the actor's log; levels are 0 trace, 1 debug, 2 info, 3 warn, 4 error. Returns 0.
static inline int64_t viv_log(int64_t level, viv_bytes text) { return viv_raw_log(level, text.ptr, text.len); }

// now returns the turn's clock in milliseconds since 1970; it stands still inside a turn. Returns the number.
static inline int64_t viv_now(void) { return viv_raw_now(); }

// random returns n random bytes. Returns the length of the result.
static inline int64_t viv_random(int64_t n) { return viv_raw_random(n); }

// config returns a value that the tenant set for the module, or none. Returns the length of the result.
static inline int64_t viv_config(viv_bytes name) { return viv_raw_config(name.ptr, name.len); }

// kv_get_batch returns a page with those of up to 128 KV keys that there are, in the order asked for; keys is a page without values. Returns the length of the result.
static inline int64_t viv_kv_get_batch(viv_bytes keys) { return viv_raw_kv_get_batch(keys.ptr, keys.len); }

// kv_put_batch sets up to 128 KV items, given as a page, or none of them. Returns 0.
static inline int64_t viv_kv_put_batch(viv_bytes items) { return viv_raw_kv_put_batch(items.ptr, items.len); }

// kv_delete_batch deletes up to 128 KV keys, given as a page without values, or none of them. Returns 0.
static inline int64_t viv_kv_delete_batch(viv_bytes keys) { return viv_raw_kv_delete_batch(keys.ptr, keys.len); }

// conn_list lists the actor's connections, as JSON; past 4 MiB without params, state and subscriptions. Returns the length of the result.
static inline int64_t viv_conn_list(void) { return viv_raw_conn_list(); }

// conn_get describes one connection, as JSON, or none. Returns the length of the result.
static inline int64_t viv_conn_get(viv_bytes conn) { return viv_raw_conn_get(conn.ptr, conn.len); }

// conn_state_set replaces a connection's state, a document. Returns 0.
static inline int64_t viv_conn_state_set(viv_bytes conn, viv_bytes state) { return viv_raw_conn_state_set(conn.ptr, conn.len, state.ptr, state.len); }

// conn_send sends an event to one connection once the turn is durable; payload is a list. Returns 0.
static inline int64_t viv_conn_send(viv_bytes conn, viv_bytes event, viv_bytes payload) { return viv_raw_conn_send(conn.ptr, conn.len, event.ptr, event.len, payload.ptr, payload.len); }

// conn_disconnect closes a connection once the turn is durable. Returns 0.
static inline int64_t viv_conn_disconnect(viv_bytes conn, viv_bytes reason) { return viv_raw_conn_disconnect(conn.ptr, conn.len, reason.ptr, reason.len); }

// socket_send sends a message on a raw socket once the turn is durable, as text if text is 1. Returns 0.
static inline int64_t viv_socket_send(viv_bytes conn, viv_bytes data, int64_t text) { return viv_raw_socket_send(conn.ptr, conn.len, data.ptr, data.len, text); }

// socket_close closes a raw socket once the turn is durable; code is 1000 or 3000 to 4999. Returns 0.
static inline int64_t viv_socket_close(viv_bytes conn, int64_t code, viv_bytes reason) { return viv_raw_socket_close(conn.ptr, conn.len, code, reason.ptr, reason.len); }

// schedule_set makes or replaces a schedule, JSON, that calls an action of the actor, and returns its id. Returns the length of the result.
static inline int64_t viv_schedule_set(viv_bytes schedule, viv_bytes args) { return viv_raw_schedule_set(schedule.ptr, schedule.len, args.ptr, args.len); }

// schedule_cancel removes a schedule by id or name, and returns 1 if there was one. Returns the number.
static inline int64_t viv_schedule_cancel(viv_bytes id) { return viv_raw_schedule_cancel(id.ptr, id.len); }

// schedule_get describes a schedule by id or name, as JSON, or none. Returns the length of the result.
static inline int64_t viv_schedule_get(viv_bytes id) { return viv_raw_schedule_get(id.ptr, id.len); }

// schedule_list lists the actor's schedules, as JSON. Returns the length of the result.
static inline int64_t viv_schedule_list(void) { return viv_raw_schedule_list(); }

// schedule_runs lists the last runs of a schedule, newest first, as JSON. Returns the length of the result.
static inline int64_t viv_schedule_runs(viv_bytes id) { return viv_raw_schedule_runs(id.ptr, id.len); }

// task_fetch begins an HTTP request, JSON, whose answer is a later turn with context, and returns the task's id. Returns the length of the result.
static inline int64_t viv_task_fetch(viv_bytes request, viv_bytes body, viv_bytes context) { return viv_raw_task_fetch(request.ptr, request.len, body.ptr, body.len, context.ptr, context.len); }

// task_call begins a call of another actor whose answer is a later turn with context, and returns the task's id. Returns the length of the result.
static inline int64_t viv_task_call(viv_bytes target, viv_bytes action, viv_bytes args, viv_bytes context) { return viv_raw_task_call(target.ptr, target.len, action.ptr, action.len, args.ptr, args.len, context.ptr, context.len); }

// task_timer begins a wait that ends in a later turn with context, and returns the task's id. Returns the length of the result.
static inline int64_t viv_task_timer(int64_t ms, viv_bytes context) { return viv_raw_task_timer(ms, context.ptr, context.len); }

// task_cancel ends a task whose outcome is not wanted any more, and returns 1 if there was one. Returns the number.
static inline int64_t viv_task_cancel(viv_bytes id) { return viv_raw_task_cancel(id.ptr, id.len); }

// fetch makes an HTTP request, JSON, and waits for the answer, an envelope; it is not undone with the turn. Returns the length of the result.
static inline int64_t viv_fetch(viv_bytes request, viv_bytes body) { return viv_raw_fetch(request.ptr, request.len, body.ptr, body.len); }

// call calls an action of another actor at once and waits for the answer, an envelope; it is not undone with the turn. Returns the length of the result.
static inline int64_t viv_call(viv_bytes target, viv_bytes action, viv_bytes args) { return viv_raw_call(target.ptr, target.len, action.ptr, action.len, args.ptr, args.len); }

// send calls an action of another actor once the turn is durable, exactly once in effect, in order, without an answer. Returns 0.
static inline int64_t viv_send(viv_bytes target, viv_bytes action, viv_bytes args) { return viv_raw_send(target.ptr, target.len, action.ptr, action.len, args.ptr, args.len); }

// queue_send puts a message into a queue of another actor, or of this one if target is empty, once the turn is durable. Returns 0.
static inline int64_t viv_queue_send(viv_bytes target, viv_bytes queue, viv_bytes body) { return viv_raw_queue_send(target.ptr, target.len, queue.ptr, queue.len, body.ptr, body.len); }

// actor_create makes an actor at once, from JSON, and describes it; it is not undone with the turn. Returns the length of the result.
static inline int64_t viv_actor_create(viv_bytes spec, viv_bytes input) { return viv_raw_actor_create(spec.ptr, spec.len, input.ptr, input.len); }

// actor_find describes another actor, as JSON, or none. Returns the length of the result.
static inline int64_t viv_actor_find(viv_bytes target) { return viv_raw_actor_find(target.ptr, target.len); }

// actor_destroy destroys another actor at once, and returns 1 if there was one; it is not undone with the turn. Returns the number.
static inline int64_t viv_actor_destroy(viv_bytes target) { return viv_raw_actor_destroy(target.ptr, target.len); }

// child_usage says what a child of the actor has used, as JSON, or none. Returns the length of the result.
static inline int64_t viv_child_usage(viv_bytes id) { return viv_raw_child_usage(id.ptr, id.len); }

// module_upload uploads a module for the actor's children at once and returns the report, JSON; it is not undone with the turn. Returns the length of the result.
static inline int64_t viv_module_upload(viv_bytes module, viv_bytes wasm, viv_bytes options) { return viv_raw_module_upload(module.ptr, module.len, wasm.ptr, wasm.len, options.ptr, options.len); }

// reply answers an open request with a reply's envelope once the turn is durable. Returns 0.
static inline int64_t viv_reply(int64_t request, viv_bytes envelope) { return viv_raw_reply(request, envelope.ptr, envelope.len); }

// reply_head begins the answer to an open raw HTTP request, JSON, once the turn is durable. Returns 0.
static inline int64_t viv_reply_head(int64_t request, viv_bytes head) { return viv_raw_reply_head(request, head.ptr, head.len); }

// reply_part sends a part of the answer to an open raw HTTP request once the turn is durable. Returns 0.
static inline int64_t viv_reply_part(int64_t request, viv_bytes part) { return viv_raw_reply_part(request, part.ptr, part.len); }

// request_open returns 1 if somebody still waits for the answer to a request. Returns the number.
static inline int64_t viv_request_open(int64_t request) { return viv_raw_request_open(request); }

// sleep lets the actor sleep as soon as nothing waits for it. Returns 0.
static inline int64_t viv_sleep(void) { return viv_raw_sleep(); }

// destroy ends the actor and all it has, if the turn succeeds. Returns 0.
static inline int64_t viv_destroy(void) { return viv_raw_destroy(); }

// gas_left returns the gas that the turn may still use. Returns the number.
static inline int64_t viv_gas_left(void) { return viv_raw_gas_left(); }

// dead_list lists messages, sends and task results that were given up, oldest first behind an id, as JSON. Returns the length of the result.
static inline int64_t viv_dead_list(viv_bytes after) { return viv_raw_dead_list(after.ptr, after.len); }

// dead_retry tries what was given up again, and returns 1 if there is such a thing. Returns the number.
static inline int64_t viv_dead_retry(viv_bytes id) { return viv_raw_dead_retry(id.ptr, id.len); }

#endif
