package actors

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/egress"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// A streamed fetch is a turn for each part of the body, in order, each begun when the one before it is durable.
// What comes meanwhile is gathered, up to a bound; then the server waits. After a restart the stream begins
// again, as another attempt. A part whose turn fails is tried again in its place, and the task given up with it.

const (
	streamPart = 64 << 10         // bytes of a part at most
	streamTime = 15 * time.Minute // of a stream, from its head on
)

// stream fetches and brings each part.
func (c *courier) stream() {
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	late := time.AfterFunc(time.Until(c.deadline()), func() { cancel(context.DeadlineExceeded) })
	defer late.Stop()
	r, err := c.begin(ctx)
	if err != nil {
		c.deliver(&outcome{id: c.id, envelope: fetchFailure(err), last: true})
		return
	}
	late.Reset(streamTime) // the request's own deadline is for the head
	g := gather(r.Body)
	defer g.close()
	defer cancel(nil) // first: it ends the read
	kind, _, _ := mime.ParseMediaType(first(r.Header["content-type"]))
	c.parts(g, &r.ResponseHead, kind == "text/event-stream")
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// begin sends the request.
func (c *courier) begin(ctx context.Context) (*egress.Response, error) {
	v, err := c.h.cfg.Registry.Version(c.actor.Namespace, c.task.Module, c.task.Version)
	if err != nil {
		return nil, err
	}
	p, err := c.h.policy(c.actor.Namespace, &v, &c.record)
	if err != nil {
		return nil, err
	}
	return c.ask(ctx, p)
}

// parts brings what is gathered until the end.
func (c *courier) parts(g *gathering, head *abi.ResponseHead, lines bool) {
	for {
		b, err := g.next(lines)
		o := &outcome{id: c.id, envelope: fetched(abi.StatusOpen, head, b), last: err != nil}
		switch {
		case err == io.EOF:
			o.envelope = fetched(abi.StatusOK, head, b)
		case err != nil:
			o.envelope = fetchFailure(err)
		}
		head = nil
		if c.part(o) != nil || o.last {
			return
		}
	}
}

// part brings one part, again if its turn fails. The last one has the row to say so.
func (c *courier) part(o *outcome) error {
	for attempt := 1; ; attempt++ {
		err := c.deliver(o)
		if err == nil || o.last || c.ctx.Err() != nil {
			return err
		}
		if attempt == abi.MaxAttempts {
			c.h.tell(c.actor, func(t *turn) (Reply, error) { return Reply{}, t.streamFailed(c.id, attempt, err) })
			return errGivenUp
		}
		if err := c.wait(backoff(attempt)); err != nil {
			return err
		}
	}
}

// streamFailed gives up a stream.
func (t *turn) streamFailed(id string, attempts int, failure error) error {
	k, err := t.readTask(id)
	if err != nil || k == nil {
		return err
	}
	k.Attempts, k.Error = attempts, clip(abi.AsError(failure).PublicMessage())
	return t.buryTask(id, k)
}

// gathering reads ahead of the one who takes.
type gathering struct {
	body io.ReadCloser
	done chan struct{} // closed when nobody reads any more

	mu     sync.Mutex // guards the fields below
	change *sync.Cond
	buf    []byte
	err    error // how the body ended
	closed bool
}

// gather begins to read a body, which it closes at last.
func gather(body io.ReadCloser) *gathering {
	g := &gathering{body: body, done: make(chan struct{})}
	g.change = sync.NewCond(&g.mu)
	go g.read() // ends with the body, or by close
	return g
}

func (g *gathering) read() {
	defer close(g.done)
	defer g.body.Close()
	chunk := make([]byte, 16<<10)
	for {
		n, err := g.body.Read(chunk)
		if !g.add(chunk[:n], err) {
			return
		}
	}
}

// add appends what was read and waits for room. It reports false when there is nothing more to read.
func (g *gathering) add(b []byte, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.buf = append(g.buf, b...)
	g.err = err
	g.change.Broadcast()
	for len(g.buf) >= streamPart && err == nil && !g.closed {
		g.change.Wait()
	}
	return err == nil && !g.closed
}

// next returns what has come, at least a byte of it, and whole lines if asked to. With the rest it returns how
// the body ended.
func (g *gathering) next(lines bool) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		if n := g.cut(lines); n > 0 {
			b := bytes.Clone(g.buf[:n])
			g.buf = append(g.buf[:0], g.buf[n:]...)
			g.change.Broadcast()
			if len(g.buf) == 0 && errors.Is(g.err, io.EOF) {
				return b, io.EOF
			}
			return b, nil
		}
		if g.err != nil {
			return nil, g.err
		}
		g.change.Wait()
	}
}

// cut returns how many bytes make the next part; zero if it has not come yet.
func (g *gathering) cut(lines bool) int {
	n := min(len(g.buf), streamPart)
	if !lines || g.err != nil && len(g.buf) <= streamPart {
		return n
	}
	if end := bytes.LastIndexByte(g.buf[:n], '\n'); end >= 0 {
		return end + 1
	}
	if n == streamPart {
		return n // a line longer than a part
	}
	return 0
}

// close ends the reading. Its context has ended.
func (g *gathering) close() {
	g.mu.Lock()
	g.closed = true
	g.change.Broadcast()
	g.mu.Unlock()
	<-g.done
}
