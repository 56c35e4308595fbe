package api

import (
	"net/http"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// statuses is the one table from codes to statuses. 500 is for our own faults only: no guest and no
// client can cause one. What a guest does wrong is 502, since to its client it is a broken server.
var statuses = map[abi.Code]int{
	abi.CodeInternal: http.StatusInternalServerError,

	abi.CodeInvalidRequest:  http.StatusBadRequest,
	abi.CodeUser:            http.StatusBadRequest,
	abi.CodeActorInvalidKey: http.StatusBadRequest,
	abi.CodeModuleMalformed: http.StatusBadRequest,

	abi.CodeUnauthenticated: http.StatusUnauthorized,
	abi.CodeForbidden:       http.StatusForbidden,

	abi.CodeNotFound:          http.StatusNotFound,
	abi.CodeNamespaceNotFound: http.StatusNotFound,
	abi.CodeModuleNotFound:    http.StatusNotFound,
	abi.CodeActorNotFound:     http.StatusNotFound,
	abi.CodeActionNotFound:    http.StatusNotFound,

	abi.CodeMethodNotAllowed: http.StatusMethodNotAllowed,
	abi.CodeBodyTooSlow:      http.StatusRequestTimeout,

	abi.CodeNamespaceExists: http.StatusConflict,
	abi.CodeModuleNameTaken: http.StatusConflict,
	abi.CodeModuleInUse:     http.StatusConflict,
	abi.CodeActorExists:     http.StatusConflict,
	abi.CodeActorConflict:   http.StatusConflict,

	abi.CodeBodyTooLarge:    http.StatusRequestEntityTooLarge,
	abi.CodeInputTooLarge:   http.StatusRequestEntityTooLarge,
	abi.CodeUnsupportedType: http.StatusUnsupportedMediaType,

	// What a turn writes or says, mostly as much as its client asked for.
	abi.CodeDeltaTooLarge:  http.StatusRequestEntityTooLarge,
	abi.CodeOutboxTooLarge: http.StatusRequestEntityTooLarge,
	abi.CodeKeyTooLarge:    http.StatusRequestEntityTooLarge,
	abi.CodeValueTooLarge:  http.StatusRequestEntityTooLarge,
	abi.CodeStateTooLarge:  http.StatusRequestEntityTooLarge,
	abi.CodeTooManyEvents:  http.StatusRequestEntityTooLarge,
	abi.CodeOutputTooLarge: http.StatusRequestEntityTooLarge,
	abi.CodeHandleMemory:   http.StatusRequestEntityTooLarge,
	abi.CodeVarsTooLarge:   http.StatusRequestEntityTooLarge,

	abi.CodeModuleLimit:       http.StatusUnprocessableEntity,
	abi.CodeModuleImport:      http.StatusUnprocessableEntity,
	abi.CodeModuleInvalid:     http.StatusUnprocessableEntity,
	abi.CodeModuleUnsupported: http.StatusUnprocessableEntity,

	abi.CodeActorOverloaded: http.StatusTooManyRequests,

	abi.CodeGuestInternal:    http.StatusBadGateway,
	abi.CodeActorTrapped:     http.StatusBadGateway,
	abi.CodeReplyLost:        http.StatusBadGateway,
	abi.CodeTooManyHostCalls: http.StatusBadGateway,
	abi.CodeInvalidArgument:  http.StatusBadGateway,
	abi.CodeNotSupported:     http.StatusBadGateway,

	abi.CodeActorNoVersion: http.StatusServiceUnavailable,
	abi.CodeOutcomeUnknown: http.StatusServiceUnavailable,
	abi.CodeUnavailable:    http.StatusServiceUnavailable,
	abi.CodeHostBusy:       http.StatusServiceUnavailable,

	abi.CodeActionTimedOut: http.StatusGatewayTimeout,
	abi.CodeGasExhausted:   http.StatusGatewayTimeout,
	abi.CodeStorageFull:    http.StatusInsufficientStorage,

	// What comes with schedules, queues, calls, connections and tasks.
	abi.CodeCallCycle:            http.StatusConflict,
	abi.CodeCallDepth:            http.StatusConflict,
	abi.CodeCrashLoop:            http.StatusServiceUnavailable,
	abi.CodeIdempotencyMismatch:  http.StatusConflict,
	abi.CodeAlreadyDone:          http.StatusConflict,
	abi.CodeIdempotencyFull:      http.StatusTooManyRequests,
	abi.CodeTooManySchedules:     http.StatusTooManyRequests,
	abi.CodeInvalidSchedule:      http.StatusBadRequest,
	abi.CodeQueueFull:            http.StatusTooManyRequests,
	abi.CodeQueueMessageTooLarge: http.StatusRequestEntityTooLarge,
	abi.CodeQueueNotFound:        http.StatusNotFound,
	abi.CodeEgressDenied:         http.StatusForbidden,
	abi.CodeFetchFailed:          http.StatusBadGateway,
	abi.CodeResponseTooLarge:     http.StatusBadGateway,
	abi.CodeTooManyFetches:       http.StatusRequestEntityTooLarge,
	abi.CodeTooManyCalls:         http.StatusRequestEntityTooLarge,
	abi.CodeTooManyTasks:         http.StatusTooManyRequests,
	abi.CodeTooManyOpen:          http.StatusTooManyRequests,
	abi.CodeTooManySends:         http.StatusTooManyRequests,
	abi.CodeConnNotFound:         http.StatusNotFound,
	abi.CodeConnStateTooLarge:    http.StatusRequestEntityTooLarge,
	abi.CodeTooManyConns:         http.StatusTooManyRequests,
	abi.CodeOriginDenied:         http.StatusForbidden,
	abi.CodeNoHandler:            http.StatusNotFound,
	abi.CodeChildEnded:           http.StatusConflict,
	abi.CodeRequestNotOpen:       http.StatusConflict,
	abi.CodeRateLimited:          http.StatusTooManyRequests,
	abi.CodeQuota:                http.StatusTooManyRequests,
	abi.CodeNoSecretsKey:         http.StatusServiceUnavailable,
	abi.CodeSecretUnreadable:     http.StatusServiceUnavailable,
	abi.CodeNamespaceDeleting:    http.StatusConflict,
	abi.CodeAuditUnavailable:     http.StatusServiceUnavailable,
	abi.CodeBadArchive:           http.StatusUnprocessableEntity,
}

// statusOf returns the status of a code.
func statusOf(c abi.Code) int {
	if status, ok := statuses[c]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// retryOf returns when to try again, for codes after which that is right even if nobody said when.
// It is never right after CodeOutcomeUnknown.
func retryOf(e *abi.Error) time.Duration {
	switch {
	case e.Retry > 0:
		return e.Retry
	case e.Code == abi.CodeActorOverloaded, e.Code == abi.CodeHostBusy, e.Code == abi.CodeUnavailable, e.Code == abi.CodeQueueFull:
		return time.Second
	}
	return 0
}

// nextSteps says, for some codes, what whoever reads the error may do about it.
var nextSteps = map[abi.Code]string{
	abi.CodeUnauthenticated:   "send a token as \"Authorization: Bearer <token>\"; the command \"host token\" makes one",
	abi.CodeForbidden:         "use a token with a role that has this right",
	abi.CodeNamespaceNotFound: "use the namespace that the token was made for, or leave it out",
	abi.CodeNamespaceDeleting: "wait, and follow it with GET /namespaces/{namespace}; or choose another name",
	abi.CodeModuleNotFound:    "list modules with GET /modules, or upload one with PUT /modules/{module}",
	abi.CodeModuleMalformed:   "send the bytes of a compiled module: a core WebAssembly module, not a component and not text",
	abi.CodeModuleImport:      "build the module without the named imports; a host offers extism:host/env, extism:host/user, vivarium and wasi_snapshot_preview1",
	abi.CodeModuleNameTaken:   "rename the actor, or upload to the module that has the name",
	abi.CodeModuleInUse:       "destroy the module's actors first; GET /actors?name= lists them",
	abi.CodeActorNotFound:     "create it with PUT /actors, or address it by name with rvt-method=getOrCreate",
	abi.CodeActorExists:       "get it with PUT /actors or rvt-method=getOrCreate, or choose another key",
	abi.CodeActorNoVersion:    "upload a module that defines the actor, or make a version live that does; GET /actors/names lists what is defined",
	abi.CodeActionNotFound:    "call one of the actions that the actor's module defines; GET /modules/{module} lists them",
	abi.CodeActorTrapped:      "read the actor's log with GET /actors/{id}/logs",
	abi.CodeGuestInternal:     "read the actor's log with GET /actors/{id}/logs",
	abi.CodeActionTimedOut:    "do less in one action, or pass on the rest",
	abi.CodeQueueNotFound:     "send to one of the queues that the actor's module declares; GET /modules/{module} lists them",
	abi.CodeQueueFull:         "send again later, or raise the option maxQueueSize; GET /actors/{id}/queue shows what waits",
	abi.CodeOutcomeUnknown:    "read the actor's state before trying again: the action may have been saved",
}
