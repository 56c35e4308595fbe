package memhost

import (
	"encoding/json"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Answer is what a request got so far.
type Answer struct {
	Head  *abi.ResponseHead // of a raw HTTP request that is answered in parts
	Parts [][]byte
	Reply *abi.Reply // the end; nil while the request is open
}

// Expect makes a request that waits for its answer.
func (h *Host) Expect() uint64 {
	h.last++
	h.Requests[h.last] = &Answer{}
	return h.last
}

// open returns the answer of a request that somebody waits for.
func (h *Host) open(request int64) (*Answer, error) {
	a := h.Requests[uint64(request)]
	if a == nil || a.Reply != nil {
		return nil, &abi.Error{Code: abi.CodeRequestNotOpen}
	}
	return a, nil
}

// Reply implements the operation reply.
func (h *Host) Reply(request int64, envelope []byte) error {
	r, err := abi.ParseReply(slices.Clone(envelope))
	if err != nil || r.Status == abi.StatusOpen {
		return abi.Errorf(abi.CodeInvalidArgument, "an answer is an envelope of a turn that ended")
	}
	a, err := h.open(request)
	if err != nil {
		return err
	}
	a.Reply = &r
	return nil
}

// ReplyHead implements the operation reply_head.
func (h *Host) ReplyHead(request int64, head []byte) error {
	a, err := h.open(request)
	if err != nil {
		return err
	}
	if a.Head != nil {
		return abi.Errorf(abi.CodeInvalidArgument, "the answer has begun")
	}
	a.Head = new(abi.ResponseHead)
	if err := json.Unmarshal(head, a.Head); err != nil {
		return abi.Errorf(abi.CodeInvalidArgument, "the head of an answer is JSON: %v", err)
	}
	return nil
}

// ReplyPart implements the operation reply_part.
func (h *Host) ReplyPart(request int64, part []byte) error {
	a, err := h.open(request)
	switch {
	case err != nil:
		return err
	case a.Head == nil:
		return abi.Errorf(abi.CodeInvalidArgument, "the answer has no head yet")
	case len(part) > abi.MaxResponsePart:
		return &abi.Error{Code: abi.CodeOutputTooLarge}
	}
	a.Parts = append(slices.Clip(a.Parts), slices.Clone(part))
	return nil
}

// RequestOpen implements the operation request_open.
func (h *Host) RequestOpen(request int64) (int64, error) {
	_, err := h.open(request)
	return one(err == nil), nil
}

// one is the number of a yes.
func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
