package hostfuncs

import (
	"encoding/json"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// priceFetch is that of the operation fetch, which Extism's http_request is by another name.
var priceFetch = Price{50_000, 1}

// extismRequest is what Extism's PDKs pass to http_request. Older ones say header for headers.
type extismRequest struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Header  map[string]string `json:"header"`
}

// httpAnswer is what is left of the last http_request of a run.
type httpAnswer struct {
	status uint64
	header map[string]string
}

// httpRequest fetches and returns the handle of the body. As in Extism's own hosts a failure ends the run: the
// function has no way to report one.
func (c *Call) httpRequest(meta, body uint64) uint64 {
	c.http = httpAnswer{}
	c.count(priceFetch, int(c.kernel.length(meta)+c.kernel.length(body)))
	var r extismRequest
	if err := json.Unmarshal(c.kernel.bytes(meta), &r); err != nil {
		abort(abi.Errorf(abi.CodeInvalidArgument, "the request is not one of Extism's"))
	}
	f := abi.FetchRequest{Method: r.Method, URL: r.URL, Header: map[string][]string{}}
	for _, h := range []map[string]string{r.Header, r.Headers} {
		for name, value := range h {
			f.Header[name] = []string{value}
		}
	}
	doc, err := json.Marshal(f)
	if err != nil {
		abort(err)
	}
	envelope, err := c.actor.Fetch(doc, c.kernel.bytes(body))
	if err != nil {
		abort(err)
	}
	return c.httpAnswer(envelope)
}

// httpAnswer takes an answer apart.
func (c *Call) httpAnswer(envelope []byte) uint64 {
	r, err := abi.ParseReply(envelope)
	if err != nil {
		abort(err)
	}
	if r.Status != abi.StatusOK {
		abort(&abi.Error{Code: r.Code, Message: r.Message})
	}
	var head abi.ResponseHead
	if err := json.Unmarshal(r.Head, &head); err != nil {
		abort(err)
	}
	c.http = httpAnswer{uint64(head.Status), make(map[string]string, len(head.Header))}
	for name, values := range head.Header {
		c.http.header[name] = strings.Join(values, ", ")
	}
	return c.handleOf(r.Result, true, nil)
}

// httpHeaders returns the handle of the header of the last answer, JSON; 0 if there was none.
func (c *Call) httpHeaders() uint64 {
	if c.http.header == nil {
		return 0
	}
	doc, err := json.Marshal(c.http.header)
	return c.handleOf(doc, true, err)
}
