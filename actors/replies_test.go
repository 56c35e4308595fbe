package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// waitingCall is a call that has not been answered yet.
type waitingCall struct {
	id     int64 // of its request
	answer chan answer
}

type answer struct {
	out string
	err error
}

// openCall calls an action that keeps its request open, and returns when it is.
func openCall(t *testing.T, s *actorstest.Stack, id tenants.ActorID, ctx context.Context, key string, more ...actorstest.Step) waitingCall {
	t.Helper()
	p := waitingCall{answer: make(chan answer, 1)}
	steps := append(more, step("turn"), step("kv_put", key, "$LAST"), step("open"))
	args, err := json.Marshal(do(steps...))
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the answer
		r, err := s.Host.Call(ctx, id, actors.Request{Action: "do", Args: args})
		p.answer <- answer{string(r.Output), err}
	}()
	kvtest.Eventually(t, "an open request", func() bool {
		b, err := s.Host.KVGet(t.Context(), id, []byte(key))
		var turn struct{ Request int64 }
		if err != nil || json.Unmarshal(b, &turn) != nil {
			return false
		}
		p.id = turn.Request
		return true
	})
	return p
}

func envelope(r abi.Reply) string { return string(abi.AppendReply(nil, &r)) }

// outcome is the code of the last step that has one.
func lastCode(t *testing.T, s *actorstest.Stack, id tenants.ActorID, steps ...actorstest.Step) abi.Code {
	t.Helper()
	got, err := s.Do(id, steps...)
	if err != nil {
		t.Fatal(err)
	}
	if n := got[len(got)-1].N; n < abi.Absent {
		return abi.Code(-n)
	}
	return 0
}

// A later turn answers a request, once, whatever the answer is.
func TestReplyLater(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script", "a")
	one, two := openCall(t, s, id, t.Context(), "one"), openCall(t, s, id, t.Context(), "two")
	got := s.MustDo(id, step("request_open", one.id), step("envelope", `{"x":1}`), step("reply", one.id, "$LAST"), step("request_open", one.id))
	if got[0].N != 1 || got[3].N != 0 {
		t.Errorf("before and after the reply the request is open: %d, %d", got[0].N, got[3].N)
	}
	if a := <-one.answer; a.err != nil || a.out != `{"x":1}` {
		t.Errorf("the answer is %s, %v", a.out, a.err)
	}
	if code := lastCode(t, s, id, step("envelope", "1"), step("reply", one.id, "$LAST")); code != abi.CodeRequestNotOpen {
		t.Errorf("a second reply: %v", code)
	}
	for _, wrong := range []string{"", "\x10\x01\x00\x00\x00\x04", "\x10\x01\x00\x00\x00\x09", "\x10\x01\x00\x00\x00\x00\x11\x01\x00\x00\x00{"} {
		if code := lastCode(t, s, id, step("reply", two.id, wrong)); code == 0 {
			t.Errorf("the envelope %q is taken", wrong)
		}
	}
	s.MustDo(id, step("reply", two.id, envelope(abi.Reply{Status: abi.StatusUser, Name: "no", Message: "not today"})))
	if a := <-two.answer; abi.CodeOf(a.err) != abi.CodeUser || abi.AsError(a.err).PublicName() != "no" {
		t.Errorf("the refusal is %v", a.err)
	}
	three := openCall(t, s, id, t.Context(), "three")
	s.MustDo(id, step("reply", three.id, envelope(abi.Reply{Status: abi.StatusHost, Code: abi.CodeInternal, Message: "core/internal_error"})))
	if a := <-three.answer; abi.CodeOf(a.err) != abi.CodeGuestInternal {
		t.Errorf("a guest's claim that the host failed is %v", a.err)
	}
}

// A turn that answers its own request has answered it, and what it wrote stays.
func TestReplyToOwnRequest(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script", "a")
	refuse := step("reply", -1, envelope(abi.Reply{Status: abi.StatusUser, Name: "no"}))
	_, err := s.Do(id, step("kv_put", "k", "v"), refuse, step("return", "1"))
	if abi.CodeOf(err) != abi.CodeUser {
		t.Errorf("the answer is %v", err)
	}
	if got := s.MustDo(id, step("kv_get", "k")); got[0].B != "v" {
		t.Errorf("the turn left %q", got[0].B)
	}
	out, err := s.Call(id, "do", do(step("reply", -1, envelope(abi.Reply{Result: []byte("7")})), step("open"))[0])
	if err != nil || string(out) != "7" {
		t.Errorf("a reply and open give %s, %v", out, err)
	}
	if _, err = s.Do(id, step("reply", -1, envelope(abi.Reply{Result: []byte("7")})), step("user", "other", "")); abi.AsError(err).PublicName() != "other" {
		t.Errorf("a turn that fails after its reply answers %v", err)
	}
}

// A reply of a turn that fails or is refused was none: the request is still open.
func TestReplyIsUndone(t *testing.T) {
	var g *kvtest.Gate
	s := actorstest.Open(t, actorstest.Options{Store: func(inner kv.Store) kv.Store { g = kvtest.NewGate(inner); return g }})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := s.Actor(tenants.Default, "script", "a")
	p := openCall(t, s, id, t.Context(), "one")
	reply := step("reply", p.id, envelope(abi.Reply{Result: []byte(`"ok"`)}))
	if _, err := s.Do(id, reply, step("user", "no", "")); abi.CodeOf(err) != abi.CodeUser {
		t.Fatal(err)
	}
	g.Refuse(1, kv.ErrReadOnly)
	if _, err := s.Do(id, step("kv_put", "k", "v"), reply); abi.CodeOf(err) != abi.CodeStorageFull {
		t.Fatal(err)
	}
	if got := s.MustDo(id, step("request_open", p.id)); got[0].N != 1 {
		t.Fatal("the request is not open any more")
	}
	g.Hold()
	turn := make(chan error, 1)
	go func() { _, err := s.Do(id, step("kv_put", "k", "v"), reply); turn <- err }()
	g.AwaitHeld(t, 1)
	select {
	case a := <-p.answer:
		t.Fatalf("answered before the commit: %v", a)
	default:
	}
	g.Resume()
	if a := <-p.answer; a.err != nil || a.out != `"ok"` {
		t.Errorf("the answer is %s, %v", a.out, a.err)
	}
	if err := <-turn; err != nil {
		t.Error(err)
	}
}

// A trap takes what would have answered; a deadline and a client that leaves end a request, too.
func TestOpenRequestsEnd(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script", "a")
	p := openCall(t, s, id, t.Context(), "one")
	if _, err := s.Do(id, step("reply", p.id, envelope(abi.Reply{})), step("trap")); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Fatal(err)
	}
	if a := <-p.answer; abi.CodeOf(a.err) != abi.CodeReplyLost {
		t.Errorf("after a trap: %v", a.err)
	}
	ctx, leave := context.WithCancel(t.Context())
	p = openCall(t, s, id, ctx, "two")
	leave()
	<-p.answer
	if code := lastCode(t, s, id, step("envelope", "1"), step("reply", p.id, "$LAST")); code != abi.CodeRequestNotOpen {
		t.Errorf("a reply to nobody: %v", code)
	}
	s.Host.SetTurnTime(2 * time.Second)
	p = openCall(t, s, id, t.Context(), "three")
	if a := <-p.answer; abi.CodeOf(a.err) != abi.CodeActionTimedOut {
		t.Errorf("after its deadline: %v", a.err)
	}
	if code := lastCode(t, s, id, step("envelope", "1"), step("reply", p.id, "$LAST")); code != abi.CodeRequestNotOpen {
		t.Errorf("a late reply: %v", code)
	}
}

// An actor has a bounded number of open requests.
func TestOpenRequestsAreBounded(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script", "a")
	args, _ := json.Marshal(do(step("open")))
	ctx, leave := context.WithCancel(t.Context())
	answers := make(chan error, abi.MaxOpenRequests)
	s.Host.SetTurnTime(10 * time.Minute)
	for range abi.MaxOpenRequests {
		go func() { // ends when all leave
			_, err := s.Host.Call(ctx, id, actors.Request{Action: "do", Args: args})
			answers <- err
		}()
	}
	kvtest.Eventually(t, "the requests to arrive", func() bool { return s.Host.Posted(id) > abi.MaxOpenRequests && s.Host.Waiting(id) == 0 })
	if _, err := s.Do(id, step("open")); abi.CodeOf(err) != abi.CodeTooManyOpen {
		t.Errorf("one more: %v", err)
	}
	leave()
	for range abi.MaxOpenRequests {
		<-answers
	}
	s.MustDo(id, step("kv_get", "x"))
	p := openCall(t, s, id, t.Context(), "free")
	s.MustDo(id, step("envelope", "1"), step("reply", p.id, "$LAST"))
	<-p.answer
}

// request sends a raw request.
func request(s *actorstest.Stack, ctx context.Context, id tenants.ActorID) (*actors.RawResponse, error) {
	return s.Host.Request(ctx, id, actors.RawRequest{Head: abi.RequestHead{Method: "GET", URL: "/x?y"}, Body: []byte("body")})
}

func TestRawRequest(t *testing.T) {
	s := openScript(t, nil)
	if _, err := request(s, t.Context(), s.Actor(tenants.Default, "script", "a")); abi.CodeOf(err) != abi.CodeNoHandler {
		t.Errorf("without a handler: %v", err)
	}
	id := s.Actor(tenants.Default, "raw", "a")
	answerWith := func(steps ...actorstest.Step) {
		t.Helper()
		s.MustDo(id, step("kv_put", "on/8", actorstest.Script(steps...)))
	}
	answerWith(step("head", `{"status":201,"header":{"x-app-a":["1","2"]}}`), step("return", "not JSON"))
	r, err := request(s, t.Context(), id)
	if err != nil || r.Head.Status != 201 || fmt.Sprint(r.Head.Header) != "map[x-app-a:[1 2]]" || string(r.Body) != "not JSON" || r.Next != nil {
		t.Fatalf("the answer is %+v, %v", r, err)
	}
	seen := s.Seen(id)
	if last := seen[len(seen)-1]; last.Kind != 8 || last.Args != "body" || !strings.Contains(last.Head, `"url":"/x?y"`) {
		t.Errorf("the guest saw %+v", last)
	}
	for _, head := range []string{`{"status":199}`, `{"status":600}`, `{"header":{"a b":["x"]}}`, `{"header":{"a":["x\ny"]}}`, `{"header":{"":["x"]}}`, `[`, `{"header":1}`} {
		answerWith(step("head", head), step("return", ""))
		if r, err := request(s, t.Context(), id); abi.CodeOf(err) != abi.CodeInvalidArgument {
			t.Errorf("head %s: %+v, %v", head, r, err)
		}
	}
	answerWith(step("user", "no", "not today"))
	if _, err := request(s, t.Context(), id); abi.CodeOf(err) != abi.CodeUser {
		t.Errorf("a refusal: %v", err)
	}
}

// An answer in parts: each comes after its own commit, and a slow client holds the guest up.
func TestAnswerInParts(t *testing.T) {
	var g *kvtest.Gate
	s := actorstest.Open(t, actorstest.Options{Store: func(inner kv.Store) kv.Store { g = kvtest.NewGate(inner); return g }})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := s.Actor(tenants.Default, "raw", "a")
	s.MustDo(id, step("kv_put", "on/8", actorstest.Script(step("head", `{"header":{"content-type":["text/event-stream"]}}`), step("open"))))
	r, err := request(s, t.Context(), id)
	if err != nil || r.Next == nil || r.Head.Header["content-type"][0] != "text/event-stream" {
		t.Fatalf("the head is %+v, %v", r, err)
	}
	seen := s.Seen(id)
	req := int64(seen[len(seen)-1].Request)
	g.Hold()
	turn := make(chan error, 1)
	go func() {
		_, err := s.Do(id, step("reply_part", req, "data: 1\n\n"), step("kv_put", "n", "1"))
		turn <- err
	}()
	g.AwaitHeld(t, 1)
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if b, err := r.Next(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a part before its commit: %q, %v", b, err)
	}
	g.Resume()
	if b, err := r.Next(t.Context()); err != nil || string(b) != "data: 1\n\n" {
		t.Fatalf("the first part is %q, %v", b, err)
	}
	if err := <-turn; err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", 1<<20/8)
	for range 7 {
		s.MustDo(id, step("reply_part", req, big))
	}
	if code := lastCode(t, s, id, step("reply_part", req, big), step("reply_part", req, "y")); code != abi.CodeActorOverloaded {
		t.Errorf("a part too many: %v", code)
	}
	if b, err := r.Next(t.Context()); err != nil || len(b) != len(big) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, err := s.Do(id, step("reply_part", req, "never"), step("user", "no", "")); abi.CodeOf(err) != abi.CodeUser {
		t.Error(err)
	}
	s.MustDo(id, step("reply_part", req, "y"), step("reply", req, envelope(abi.Reply{Result: []byte("z")})))
	var rest []string
	for {
		b, err := r.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rest = append(rest, string(b))
	}
	if got := strings.Join(rest, "|"); got != strings.Repeat(big+"|", 7)+"y|z" {
		t.Errorf("the rest is %d parts, %d bytes", len(rest), len(got))
	}
	r.Close()
	if code := lastCode(t, s, id, step("reply_part", req, "late")); code != abi.CodeRequestNotOpen {
		t.Errorf("a part after the end: %v", code)
	}
}

// A client that leaves is told to the guest that wants to know, once, and its request is over.
func TestClientGone(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "raw", "a")
	s.MustDo(id, step("kv_put", "on/8", actorstest.Script(step("head", `{}`), step("open"))))
	r, err := request(s, t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	r.Close()
	kvtest.Eventually(t, "the hook gone", func() bool { return strings.HasSuffix(s.Kinds(id), "8 9") })
	seen := s.Seen(id)
	req := int64(seen[len(seen)-2].Request)
	if req == 0 || int64(seen[len(seen)-1].Request) != req {
		t.Errorf("gone names request %d, want %d", seen[len(seen)-1].Request, req)
	}
	if code := lastCode(t, s, id, step("reply", req, envelope(abi.Reply{}))); code != abi.CodeRequestNotOpen {
		t.Errorf("a reply after it: %v", code)
	}
	if kinds := s.Kinds(id); strings.Count(kinds, "9") != 1 {
		t.Errorf("the guest saw %s", kinds)
	}
}
