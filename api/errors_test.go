package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// failing makes every action of a new actor fail as f says, and returns the action's path.
func failing(f *fixture, fail func() error) string {
	f.host.call = func(context.Context, tenants.ActorID, actors.Request) (actors.Reply, error) {
		return actors.Reply{}, fail()
	}
	return "/gateway/" + f.actor("counter", "a").String() + "/action/x"
}

func TestErrorShapes(t *testing.T) {
	var err error
	f := newFixture(t)
	path := failing(f, func() error { return err })
	secret := errors.New("the secret cause")
	tests := []struct {
		name     string
		err      error
		status   int
		code     string
		message  string // empty: any
		metadata string // substring
		retry    string
	}{
		{name: "user", err: &abi.Error{Code: abi.CodeUser, Name: "bad_name", Message: "bad name", Metadata: json.RawMessage(`{"min":3,"n":1.50}`)},
			status: 400, code: "user/bad_name", message: "bad name", metadata: `{"min":3,"n":1.50}`},
		{name: "user with a list", err: &abi.Error{Code: abi.CodeUser, Metadata: []int{1}}, status: 400, code: "user/user_error", metadata: `[1]`},
		{name: "wrapped", err: fmt.Errorf("actors: turn: %w", abi.Wrap(abi.CodeActorTrapped, secret)), status: 502, code: "actor/trapped", metadata: "logs"},
		{name: "hidden error of the guest", err: abi.Wrap(abi.CodeGuestInternal, secret), status: 502, code: "rivetkit/internal_error", message: "An internal error occurred"},
		{name: "metadata gets a next step", err: abi.Errorf(abi.CodeActionNotFound, "").With(object{"actions": []string{"inc"}}), status: 404, code: "actor/action_not_found", metadata: `{"actions":["inc"],"next":"call`},
		{name: "a next step of its own stays", err: abi.Errorf(abi.CodeActionNotFound, "").With(object{"next": "mine"}), status: 404, code: "actor/action_not_found", metadata: `{"next":"mine"}`},
		{name: "metadata that is no object stays", err: abi.Errorf(abi.CodeActionNotFound, "").With("text"), status: 404, code: "actor/action_not_found", metadata: `"text"`},
		{name: "retry said", err: &abi.Error{Code: abi.CodeActorOverloaded, Retry: 1500 * time.Millisecond}, status: 429, code: "actor/overloaded", retry: "2"},
		{name: "retry known", err: abi.Errorf(abi.CodeHostBusy, ""), status: 503, code: "guard/service_busy", retry: "1"},
		{name: "never retry by yourself", err: abi.Errorf(abi.CodeOutcomeUnknown, ""), status: 503, code: "actor/outcome_unknown"},
		{name: "plain error", err: secret, status: 500, code: "core/internal_error", message: "An internal error occurred"},
		{name: "500 tells nothing", err: &abi.Error{Code: abi.CodeInternal, Name: "secret_name", Message: "secret text", Metadata: object{"secret": 1}, Cause: secret}, status: 500, code: "core/internal_error", message: "An internal error occurred"},
		{name: "unknown code", err: abi.Errorf(9999, "secret text"), status: 500, code: "core/internal_error", message: "An internal error occurred"},
		{name: "echo 404", err: echo.ErrNotFound, status: 404, code: "api/not_found"},
		{name: "echo 405", err: echo.ErrMethodNotAllowed, status: 405, code: "api/method_not_allowed"},
		{name: "echo bind", err: echo.NewHTTPError(400, "secret"), status: 400, code: "guard/invalid_request", message: "The request is malformed"},
		{name: "echo body limit", err: echo.ErrStatusRequestEntityTooLarge, status: 413, code: "message/incoming_too_long"},
		{name: "echo other", err: echo.ErrTeapot, status: 400, code: "guard/invalid_request"},
		{name: "echo 500", err: echo.ErrInternalServerError, status: 500, code: "core/internal_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err = tt.err
			a := f.do("POST", path, `{"args":[]}`)
			group, code, _ := strings.Cut(tt.code, "/")
			b := a.wantError(t, tt.status, group, code)
			if tt.message != "" && b.Message != tt.message {
				t.Errorf("message %q, want %q", b.Message, tt.message)
			}
			if !strings.Contains(string(b.Metadata), tt.metadata) {
				t.Errorf("metadata %s, want %s", b.Metadata, tt.metadata)
			}
			if got := a.header.Get("Retry-After"); got != tt.retry {
				t.Errorf("Retry-After %q, want %q", got, tt.retry)
			}
			if strings.Contains(a.body, "secret") {
				t.Errorf("the body tells: %s", a.body)
			}
			if log := f.log.String(); tt.status == 500 && !strings.Contains(log, "level=ERROR msg=\"request failed\" request="+b.RequestID) {
				t.Errorf("no error with id %s in the log:\n%s", b.RequestID, log)
			}
		})
	}
	if !strings.Contains(f.log.String(), "the secret cause") {
		t.Error("the log lacks the cause")
	}
}

// A guest chooses the code of its user errors, of any bytes.
func TestHeaderOfAUserError(t *testing.T) {
	f := newFixture(t)
	name := "x\r\nset-cookie: a=b"
	path := failing(f, func() error { return &abi.Error{Code: abi.CodeUser, Name: name, Message: "\xff"} })
	a := f.do("POST", path, `{"args":[]}`)
	if a.header.Get("X-Rivet-Error") != "user.user_error" || a.header.Get("Set-Cookie") != "" {
		t.Errorf("header %v", a.header)
	}
	var b errorBody
	if json.Unmarshal([]byte(a.body), &b) != nil || b.Code != name {
		t.Errorf("body %s", a.body)
	}
}

func TestPanic(t *testing.T) {
	f := newFixture(t)
	path := failing(f, func() error { panic("the secret cause") })
	b := f.do("POST", path, `{"args":[]}`).wantError(t, 500, "core", "internal_error")
	log := f.log.String()
	if !strings.Contains(log, "panic: the secret cause") || !strings.Contains(log, b.RequestID) || !strings.Contains(log, "errors_test.go") {
		t.Errorf("log lacks the panic, its place or the id:\n%s", log)
	}
	if strings.Contains(string(mustJSON(b)), "secret") {
		t.Errorf("the body tells: %+v", b)
	}
	f.do("GET", "/healthz", "").wantBody(t, 200, `{"status":"ok"}`)
}

// A part of an answer must not pass for the whole.
func TestErrorAfterTheHeadCutsTheConnection(t *testing.T) {
	f := newFixture(t)
	wasm := f.publish("m", []byte("\x00asm-bytes"))
	f.corrupt(wasm.Digest)
	r := f.request("GET", "/modules/m/versions/1/wasm", nil)
	if a, err := f.try(r); err == nil && a.status == 200 {
		t.Errorf("got a whole answer: %d %q", a.status, a.body)
	}
	if !strings.Contains(f.log.String(), "level=ERROR") {
		t.Error("nothing in the log")
	}
}
