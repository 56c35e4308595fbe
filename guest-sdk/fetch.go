package guest

import (
	"encoding/json"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Fetch is an HTTP request to a server that the Def's Egress names. As the work of a task it holds
// nobody up; the Ctx's Fetch waits for the answer inside the turn.
type Fetch struct {
	Method string // empty means GET
	URL    string
	Header Header
	// Secrets are headers with a secret of the namespace in them, such as
	// {"authorization": "Bearer {secret:OPENAI}"}. The guest never sees it.
	Secrets map[string]string
	Body    []byte
	Timeout time.Duration // zero means that of the request
	// Stream makes each part of the answer's body a turn of its own: see Result.More. For tasks only.
	Stream bool
}

// WithJSON returns f with v as its body, and POST as its method unless it has one. It panics if JSON
// cannot encode v.
func (f Fetch) WithJSON(v any) Fetch {
	b, err := json.Marshal(v)
	check(err)
	f.Body = b
	if f.Method == "" {
		f.Method = "POST"
	}
	h := Header{"content-type": {"application/json"}}
	for name, values := range f.Header {
		h[name] = values
	}
	f.Header = h
	return f
}

func (f *Fetch) document() ([]byte, error) {
	return json.Marshal(&abi.FetchRequest{
		Method: f.Method, URL: f.URL, Header: f.Header, Secrets: f.Secrets, Timeout: f.Timeout.Milliseconds(), Stream: f.Stream,
	})
}

func (f Fetch) start(c *env, context []byte) ([]byte, error) {
	b, err := f.document()
	if err != nil {
		return nil, err
	}
	return c.host.TaskFetch(b, f.Body, context)
}

// Fetch makes an HTTP request and waits for the answer, which holds up all other turns of the actor.
// It is not undone if the turn fails later. The error is an *abi.Error, such as abi.CodeEgressDenied or
// abi.CodeFetchFailed; any answer of the server is a success.
func (c *env) Fetch(f Fetch) (*Response, error) {
	b, err := f.document()
	if err != nil {
		return nil, err
	}
	if b, err = c.host.Fetch(b, f.Body); err != nil {
		return nil, err
	}
	r, err := abi.ParseReply(b)
	if err != nil {
		return nil, err
	}
	return responseOf(&r)
}

func responseOf(r *abi.Reply) (*Response, error) {
	if err := failureOf(r); err != nil {
		return nil, err
	}
	var d abi.ResponseHead
	if len(r.Head) > 0 {
		if err := json.Unmarshal(r.Head, &d); err != nil {
			return nil, err
		}
	}
	return &Response{d.Status, d.Header, r.Result}, nil
}
