package egress

import (
	"bytes"
	"io"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Response is a server's answer. Its Body must be closed, or read to its end.
type Response struct {
	abi.ResponseHead

	// Body is decompressed and without secrets. It may be read as it comes. Its errors are those of
	// [Client.Do], and [abi.CodeResponseTooLarge] after Config.MaxBody bytes.
	Body io.ReadCloser

	body *body
}

// Received returns how many bytes of the body have come, decompressed. It may be called at any time.
func (r *Response) Received() int64 { return r.body.size.Load() }

// ReadAll returns the whole body and closes it. A body of more than max bytes is an
// [abi.CodeResponseTooLarge] error; zero leaves the client's own bound.
func (r *Response) ReadAll(max int64) ([]byte, error) {
	defer r.Body.Close()
	var from io.Reader = r.Body
	if max > 0 {
		from = &capped{from: from, left: max}
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(from); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
