package actors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// parts is the answer to a raw HTTP request on its way from the turns that make it to the client: a head,
// parts, and the request's result at last. What turns add counts from the operation on, so that a turn is
// told when the client is too slow; the client gets it once the turn is durable.
type parts struct {
	ready chan struct{} // gets a value when there is something new

	mu       sync.Mutex // guards the fields below
	promised bool       // a turn has given the head
	head     *abi.ResponseHead
	queue    [][]byte
	bytes    int // of parts that turns have given and the client has not taken
	count    int // the same
}

// Bounds on what a client may be behind.
const (
	maxPartsBehind = 256
	maxBytesBehind = 1 << 20
)

func newParts() *parts { return &parts{ready: make(chan struct{}, 1)} }

// begin notes that a turn gives the head. It reports false if one did.
func (p *parts) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.promised {
		return false
	}
	p.promised = true
	return true
}

// unbegin takes begin back.
func (p *parts) unbegin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.promised = false
}

// headed reports whether a turn has given the head.
func (p *parts) headed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.promised
}

// begun reports whether the client has got the head, or will.
func (p *parts) begun() bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.head != nil
}

func (p *parts) setHead(h abi.ResponseHead) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.head = &h
	p.signal()
}

// reserve makes room for a part of n bytes. It reports false if there is none now.
func (p *parts) reserve(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count >= maxPartsBehind || p.bytes+n > maxBytesBehind {
		return false
	}
	p.count++
	p.bytes += n
	return true
}

func (p *parts) release(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count--
	p.bytes -= n
}

// push adds a part for which there is room.
func (p *parts) push(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, b)
	p.signal()
}

// pop removes the oldest part; nil if there is none.
func (p *parts) pop() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil
	}
	b := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	p.count--
	p.bytes -= len(b)
	return b
}

// take returns the head, once it is there.
func (p *parts) take() *abi.ResponseHead {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.head
}

func (p *parts) signal() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// maxHead bounds the head of an answer, in bytes as JSON.
const maxHead = 32 << 10

var errHeaded = abi.Errorf(abi.CodeInvalidArgument, "the answer has a head already")

// parseHead reads and checks the head of an answer. None means status 200 and no headers.
func parseHead(doc []byte) (abi.ResponseHead, error) {
	h := abi.ResponseHead{Status: 200}
	if len(doc) == 0 {
		return h, nil
	}
	bad := func(format string, args ...any) (abi.ResponseHead, error) {
		return h, abi.Errorf(abi.CodeInvalidArgument, "the answer's head is wrong: %s", clip(fmt.Sprintf(format, args...)))
	}
	if len(doc) > maxHead {
		return bad("it is longer than %d bytes", maxHead)
	}
	if err := json.NewDecoder(bytes.NewReader(doc)).Decode(&h); err != nil {
		return bad("%v", err)
	}
	if h.Status == 0 {
		h.Status = 200
	}
	if h.Status < 200 || h.Status > 599 {
		return bad("status %d is not one of 200 to 599", h.Status)
	}
	for name, values := range h.Header {
		if !isToken(name) {
			return bad("%q is no name of a header", name)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return bad("the value of %s has a byte that no header may have", name)
			}
		}
	}
	return h, nil
}

// isToken reports whether s may be the name of a header.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
