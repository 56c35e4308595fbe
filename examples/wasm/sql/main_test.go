package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func account(t *testing.T) *guesttest.Actor {
	return guesttest.New(t, "account", guesttest.Options{Key: []string{"ann"}, Config: map[string]string{"url": "https://ledger.example"}})
}

// pipeline returns the task of the request that is under way, and its body.
func pipeline(t *testing.T, a *guesttest.Actor) (id, body string) {
	t.Helper()
	tasks := a.Tasks()
	if len(tasks) != 1 || tasks[0].Kind != "fetch" {
		t.Fatalf("the tasks are %+v", tasks)
	}
	f := tasks[0].Fetch
	if f.URL != "https://ledger.example/v2/pipeline" || f.Secrets["authorization"] != "Bearer {secret:DB_TOKEN}" {
		t.Errorf("the request is %+v", f)
	}
	return tasks[0].ID, string(f.Body)
}

// said is an answer of the database: of three statements, the last of which has one row.
func said(kind, value string) *guest.Response {
	ok := `{"type":"ok","response":{"type":"execute","result":{"rows":[]}}}`
	row := fmt.Sprintf(`{"type":"ok","response":{"type":"execute","result":{"rows":[[{"type":%q,"value":%s}]]}}}`, kind, value)
	return &guest.Response{Status: 200, Body: []byte(`{"results":[` + ok + `,` + ok + `,` + row + `,{"type":"ok","response":{"type":"close"}}]}`)}
}

// Values are parameters: the text of each statement is the same whatever they are.
func TestParametersAreBound(t *testing.T) {
	a := account(t)
	booked := a.Begin("book", 7, "'); DROP TABLE entries; --")
	id, body := pipeline(t, a)
	var sent struct {
		Requests []struct {
			Type string
			Stmt Statement
		}
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil || len(sent.Requests) != 4 || sent.Requests[3].Type != "close" {
		t.Fatalf("the body is %s, %v", body, err)
	}
	if s := sent.Requests[1].Stmt; s.SQL != insert || len(s.Args) != 4 || string(s.Args[3].Value) != `"'); DROP TABLE entries; --"` || s.Args[2].Type != "integer" || string(s.Args[2].Value) != `"7"` {
		t.Errorf("the statement is %+v", s)
	}
	if err := a.Complete(id, said("integer", `"9007199254740993"`)); err != nil {
		t.Fatal(err)
	}
	var balance int
	if err := booked.Result(&balance); err != nil || balance != 9007199254740993 {
		t.Errorf("the balance is %d, %v", balance, err)
	}
}

// An attempt that may go well later is repeated with the same body, four times at most; a refusal is not.
func TestAttempts(t *testing.T) {
	a := account(t)
	booked := a.Begin("book", 7, "rent")
	_, first := pipeline(t, a)
	for i := range attempts {
		id, body := pipeline(t, a)
		if body != first {
			t.Errorf("attempt %d sends %s, the first sent %s", i+1, body, first)
		}
		if err := a.Complete(id, &guest.Response{Status: 503}); err != nil {
			t.Fatal(err)
		}
		if i < attempts-1 {
			a.Advance(time.Second << (2 * i))
		}
	}
	var refused *guest.Error
	if err := booked.Result(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "503") {
		t.Errorf("it ends with %v", err)
	}
	if tasks := a.Tasks(); len(tasks) != 0 {
		t.Errorf("the tasks are %+v", tasks)
	}
}

func TestAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		answer *guest.Response
		want   string
	}{
		"not JSON":      {&guest.Response{Status: 200, Body: []byte("<html>")}, "none of a pipeline"},
		"empty":         {&guest.Response{Status: 200, Body: []byte("{}")}, "none of a pipeline"},
		"unauthorized":  {&guest.Response{Status: 401}, "answered 401"},
		"not a number":  {said("text", `"7"`), "not one number"},
		"a large one":   {said("integer", `"9223372036854775808"`), "out of range"},
		"unknown type":  {said("date", `"7"`), "type date"},
		"wrong SQL":     {&guest.Response{Status: 200, Body: []byte(`{"results":[{"type":"error","error":{"message":"no such column","code":"SQL_INPUT_ERROR"}},{"type":"ok"}]}`)}, "no such column"},
		"integer as it": {said("integer", `7`), "cannot unmarshal"},
	} {
		a := account(t)
		booked := a.Begin("book", 7, "rent")
		id, _ := pipeline(t, a)
		if err := a.Complete(id, tt.answer); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := booked.Result(nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestNoDatabase(t *testing.T) {
	a := guesttest.New(t, "account", guesttest.Options{Key: []string{"ann"}})
	if err := a.Call(nil, "book", 1, "x"); err == nil || !strings.Contains(err.Error(), "no url") {
		t.Errorf("without a database: %v", err)
	}
}
