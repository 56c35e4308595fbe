package abi

// Code numbers one kind of failure. A host function that fails returns the code, negated, to the
// guest; the network edge maps it to a status. Numbers are part of the wire: only append.
type Code uint16

// The codes. The comment is what happened; errorTable below has the public group, name and message.
const (
	CodeInternal             Code = 1 // our own fault: every one is a bug
	CodeInvalidRequest       Code = 2 // malformed request
	CodeUser                 Code = 3 // deliberate error of the guest; group is always "user"
	CodeGuestInternal        Code = 4 // error of the guest that it did not mean for clients
	CodeUnauthenticated      Code = 5
	CodeForbidden            Code = 6
	CodeNotFound             Code = 7 // unknown route
	CodeMethodNotAllowed     Code = 8
	CodeBodyTooLarge         Code = 9
	CodeBodyTooSlow          Code = 10
	CodeUnsupportedType      Code = 11
	CodeNamespaceNotFound    Code = 12
	CodeNamespaceExists      Code = 13
	CodeModuleNotFound       Code = 14
	CodeModuleMalformed      Code = 15 // not a Wasm module
	CodeModuleLimit          Code = 16 // valid, but breaks a limit
	CodeModuleImport         Code = 17 // imports what the host does not have
	CodeModuleInvalid        Code = 18 // does not start, or its manifest is wrong
	CodeModuleNameTaken      Code = 19 // an actor name belongs to another module
	CodeModuleInUse          Code = 20 // it still has actors
	CodeActorNotFound        Code = 21
	CodeActorExists          Code = 22
	CodeActorInvalidKey      Code = 23
	CodeActionNotFound       Code = 24
	CodeActionTimedOut       Code = 25
	CodeActorOverloaded      Code = 26
	CodeActorTrapped         Code = 27
	CodeActorNoVersion       Code = 28 // no live version defines the actor's name
	CodeOutcomeUnknown       Code = 29 // the store cannot say whether the turn committed
	CodeReplyLost            Code = 30 // the instance that held an open request is gone
	CodeUnavailable          Code = 31 // draining
	CodeStorageFull          Code = 32
	CodeDeltaTooLarge        Code = 33
	CodeOutboxTooLarge       Code = 34
	CodeKeyTooLarge          Code = 35
	CodeValueTooLarge        Code = 36
	CodeStateTooLarge        Code = 37
	CodeTooManyEvents        Code = 38
	CodeTooManyHostCalls     Code = 39
	CodeInvalidArgument      Code = 40 // a host function was given a wrong argument
	CodeOutputTooLarge       Code = 41
	CodeInputTooLarge        Code = 42
	CodeHandleMemory         Code = 43 // the turn's Extism memory is used up
	CodeVarsTooLarge         Code = 44
	CodeNotSupported         Code = 45 // the operation exists but not in this turn or this host
	CodeActorConflict        Code = 46 // the store refused the turn: another owner, or the actor went
	CodeHostBusy             Code = 47 // no place for another live instance
	CodeModuleUnsupported    Code = 48 // needs a WebAssembly feature that this host does not have
	CodeGasExhausted         Code = 49 // the turn computed more than a turn may
	CodeCallCycle            Code = 50
	CodeCallDepth            Code = 51
	CodeCrashLoop            Code = 52
	CodeIdempotencyMismatch  Code = 53
	CodeAlreadyDone          Code = 54
	CodeIdempotencyFull      Code = 55
	CodeTooManySchedules     Code = 56
	CodeInvalidSchedule      Code = 57
	CodeQueueFull            Code = 58
	CodeQueueMessageTooLarge Code = 59
	CodeQueueNotFound        Code = 60
	CodeEgressDenied         Code = 61
	CodeFetchFailed          Code = 62
	CodeResponseTooLarge     Code = 63
	CodeTooManyFetches       Code = 64
	CodeTooManyCalls         Code = 65
	CodeTooManyTasks         Code = 66
	CodeTooManyOpen          Code = 67
	CodeTooManySends         Code = 68
	CodeConnNotFound         Code = 69
	CodeConnStateTooLarge    Code = 70
	CodeTooManyConns         Code = 71
	CodeOriginDenied         Code = 72
	CodeNoHandler            Code = 73
	CodeChildEnded           Code = 74
	CodeRequestNotOpen       Code = 75
	CodeRateLimited          Code = 76
	CodeQuota                Code = 77 // the namespace's allowance is used up; metadata says which
	CodeNoSecretsKey         Code = 78
	CodeSecretUnreadable     Code = 79
	CodeNamespaceDeleting    Code = 80 // the name is taken until nothing is left
	CodeAuditUnavailable     Code = 81 // what is to be audited is not done
	CodeBadArchive           Code = 82 // no export, or none that a host wrote
)

// info is the public face of a code.
type info struct {
	group, name, message string
}

var errorTable = map[Code]info{
	CodeInternal:             {"core", "internal_error", "An internal error occurred"},
	CodeInvalidRequest:       {"guard", "invalid_request", "The request is malformed"},
	CodeUser:                 {"user", "user_error", "The actor refused the request"},
	CodeGuestInternal:        {"rivetkit", "internal_error", "An internal error occurred"},
	CodeUnauthenticated:      {"auth", "unauthenticated", "A valid token is required"},
	CodeForbidden:            {"auth", "forbidden", "The token does not allow this"},
	CodeNotFound:             {"api", "not_found", "No such route"},
	CodeMethodNotAllowed:     {"api", "method_not_allowed", "The route does not take this method"},
	CodeBodyTooLarge:         {"message", "incoming_too_long", "The body is too large"},
	CodeBodyTooSlow:          {"guard", "request_timeout", "The request did not arrive in time"},
	CodeUnsupportedType:      {"guard", "unsupported_media_type", "The content type is not supported"},
	CodeNamespaceNotFound:    {"namespace", "not_found", "No such namespace"},
	CodeNamespaceExists:      {"namespace", "exists", "The namespace exists"},
	CodeModuleNotFound:       {"module", "not_found", "No such module or version"},
	CodeModuleMalformed:      {"module", "malformed", "The body is not a WebAssembly module"},
	CodeModuleLimit:          {"module", "limit_exceeded", "The module breaks a limit"},
	CodeModuleImport:         {"module", "unresolved_import", "The module imports what this host does not have"},
	CodeModuleInvalid:        {"module", "invalid", "The module cannot run"},
	CodeModuleNameTaken:      {"module", "name_taken", "An actor name belongs to another module"},
	CodeModuleInUse:          {"module", "in_use", "The module has actors"},
	CodeActorNotFound:        {"actor", "not_found", "No such actor"},
	CodeActorExists:          {"actor", "duplicate_key", "An actor with this key exists"},
	CodeActorInvalidKey:      {"actor", "invalid_key", "The actor key is not valid"},
	CodeActionNotFound:       {"actor", "action_not_found", "The actor has no such action"},
	CodeActionTimedOut:       {"actor", "action_timed_out", "The action took too long"},
	CodeActorOverloaded:      {"actor", "overloaded", "Too many requests wait for this actor"},
	CodeActorTrapped:         {"actor", "trapped", "The actor's code failed"},
	CodeActorNoVersion:       {"actor", "no_version", "No live module version defines this actor"},
	CodeOutcomeUnknown:       {"actor", "outcome_unknown", "The store could not say whether the action was saved"},
	CodeReplyLost:            {"actor", "reply_lost", "The actor was reset before it answered"},
	CodeUnavailable:          {"guard", "service_unavailable", "The host is stopping"},
	CodeStorageFull:          {"core", "storage_full", "The store takes no more writes"},
	CodeDeltaTooLarge:        {"actor", "delta_too_large", "The turn writes too much"},
	CodeOutboxTooLarge:       {"actor", "outbox_too_large", "The turn sends too much"},
	CodeKeyTooLarge:          {"actor", "key_too_large", "The KV key is too long"},
	CodeValueTooLarge:        {"actor", "value_too_large", "The KV value is too large"},
	CodeStateTooLarge:        {"actor", "state_too_large", "The state is too large"},
	CodeTooManyEvents:        {"actor", "too_many_events", "The turn broadcasts too many events"},
	CodeTooManyHostCalls:     {"actor", "too_many_host_calls", "The turn calls the host too often"},
	CodeInvalidArgument:      {"actor", "invalid_argument", "A host function was given a wrong argument"},
	CodeOutputTooLarge:       {"message", "outgoing_too_long", "The result is too large"},
	CodeInputTooLarge:        {"actor", "input_too_large", "The input is too large"},
	CodeHandleMemory:         {"actor", "handle_memory", "The turn's Extism memory is used up"},
	CodeVarsTooLarge:         {"actor", "vars_too_large", "The Extism vars are too large"},
	CodeNotSupported:         {"actor", "not_supported", "The operation is not supported here"},
	CodeActorConflict:        {"actor", "restarting", "The actor was taken over while the request ran"},
	CodeModuleUnsupported:    {"module", "unsupported", "The module needs a WebAssembly feature that this host does not have"},
	CodeGasExhausted:         {"actor", "gas_exhausted", "The action computed too much"},
	CodeHostBusy:             {"guard", "service_busy", "The host is too busy for this"},
	CodeCallCycle:            {"actor", "call_cycle", "The call leads back into an actor that waits for it"},
	CodeCallDepth:            {"actor", "call_depth", "The chain of calls is too long"},
	CodeCrashLoop:            {"actor", "crash_loop", "The actor fails whenever it starts"},
	CodeIdempotencyMismatch:  {"actor", "idempotency_mismatch", "The idempotency key was used with other arguments"},
	CodeAlreadyDone:          {"actor", "already_done", "The request was done before; its answer was too large to keep"},
	CodeIdempotencyFull:      {"actor", "too_many_idempotency_keys", "The actor keeps too many idempotency keys"},
	CodeTooManySchedules:     {"actor", "too_many_schedules", "The actor has too many schedules"},
	CodeInvalidSchedule:      {"actor", "invalid_schedule", "The schedule is not valid"},
	CodeQueueFull:            {"queue", "full", "The queue is full"},
	CodeQueueMessageTooLarge: {"queue", "message_too_large", "The queue message is too large"},
	CodeQueueNotFound:        {"queue", "not_found", "The actor has no such queue"},
	CodeEgressDenied:         {"egress", "denied", "The module may not reach this address"},
	CodeFetchFailed:          {"egress", "failed", "The server could not be reached"},
	CodeResponseTooLarge:     {"egress", "response_too_large", "The server's answer is too large"},
	CodeTooManyFetches:       {"actor", "too_many_fetches", "The turn fetches too often"},
	CodeTooManyCalls:         {"actor", "too_many_calls", "The turn calls other actors too often"},
	CodeTooManyTasks:         {"actor", "too_many_tasks", "The actor has too many tasks"},
	CodeTooManyOpen:          {"actor", "too_many_open_requests", "Too many requests of the actor are open"},
	CodeTooManySends:         {"actor", "too_many_sends", "Too many sends of the actor wait for delivery"},
	CodeConnNotFound:         {"actor", "connection_not_found", "The actor has no such connection"},
	CodeConnStateTooLarge:    {"actor", "connection_state_too_large", "The connection state is too large"},
	CodeTooManyConns:         {"actor", "too_many_connections", "The actor has too many connections"},
	CodeOriginDenied:         {"auth", "forbidden_origin", "Pages of this origin may not reach the actor"},
	CodeNoHandler:            {"actor", "no_handler", "The actor has no handler for this"},
	CodeChildEnded:           {"actor", "child_ended", "The child has used up its limits"},
	CodeRequestNotOpen:       {"actor", "request_not_open", "The request is not open"},
	CodeRateLimited:          {"guard", "rate_limit", "Too many requests"},
	CodeQuota:                {"quota", "exceeded", "The namespace has used up what it may"},
	CodeNoSecretsKey:         {"secret", "no_key", "The host has no key for secrets"},
	CodeSecretUnreadable:     {"secret", "unreadable", "The secret cannot be read with the host's key for secrets"},
	CodeAuditUnavailable:     {"audit", "unavailable", "The audit log cannot be written"},
	CodeBadArchive:           {"archive", "invalid", "The file is damaged, or no export of a host"},
	CodeNamespaceDeleting:    {"namespace", "deleting", "The namespace of this name is still being removed"},
}

// Group returns the public group of the code, such as "actor".
func (c Code) Group() string { return c.info().group }

// Name returns the public code within its group, such as "not_found".
func (c Code) Name() string { return c.info().name }

// Message returns the text for clients when there is nothing more precise to say.
func (c Code) Message() string { return c.info().message }

// String returns "group/name".
func (c Code) String() string { return c.Group() + "/" + c.Name() }

// Known reports whether c is in the table. A guest's number is checked with it before use.
func (c Code) Known() bool { _, ok := errorTable[c]; return ok }

func (c Code) info() info {
	if i, ok := errorTable[c]; ok {
		return i
	}
	return errorTable[CodeInternal]
}

// Codes returns every code in the table, in no order.
func Codes() []Code {
	all := make([]Code, 0, len(errorTable))
	for c := range errorTable {
		all = append(all, c)
	}
	return all
}
