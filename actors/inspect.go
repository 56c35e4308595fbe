package actors

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// The inspector reads what is on disk, never an overlay: it cannot see what may still be undone.

// State returns an actor's committed state and the codec in which its module writes it; ok is false
// if it never had one.
func (h *Host) State(ctx context.Context, id tenants.ActorID) (codec abi.Codec, state []byte, ok bool, err error) {
	info, err := h.Get(ctx, id)
	if err != nil {
		return "", nil, false, err
	}
	codec = abi.JSON
	if v, err := h.cfg.Registry.Resolve(id.Namespace, info.Address.Name); err == nil {
		codec = v.Codec
	}
	state, err = h.cfg.Store.Get(ctx, id.Space(), stateKey)
	if errors.Is(err, kv.ErrNotFound) {
		return codec, nil, false, nil
	}
	if err != nil {
		return "", nil, false, readError(err)
	}
	return codec, state, true, nil
}

// KVList returns committed KV items whose keys begin with prefix, after a key (nil: from the
// start), at most limit; more says whether there are others.
func (h *Host) KVList(ctx context.Context, id tenants.ActorID, prefix, after []byte, limit int) (items []abi.Item, more bool, err error) {
	if _, err := h.Get(ctx, id); err != nil {
		return nil, false, err
	}
	r, err := kvRange(hostfuncs.ListRequest{Lo: prefix, Prefix: true, Cursor: after})
	if err != nil {
		return nil, false, err
	}
	size := 0
	for it, err := range h.cfg.Store.Scan(ctx, id.Space(), r) {
		if err != nil {
			return nil, false, readError(err)
		}
		if size += len(it.Key) + len(it.Value); len(items) == limit || len(items) > 0 && size > abi.MaxListBytes {
			return items, true, nil
		}
		items = append(items, abi.Item{Key: bytes.Clone(it.Key[1:]), Value: bytes.Clone(it.Value)})
	}
	return items, false, nil
}

// KVGet returns one committed KV value, or CodeNotFound.
func (h *Host) KVGet(ctx context.Context, id tenants.ActorID, key []byte) ([]byte, error) {
	if err := checkKVKey(key); err != nil {
		return nil, err
	}
	if _, err := h.Get(ctx, id); err != nil {
		return nil, err
	}
	v, err := h.cfg.Store.Get(ctx, id.Space(), kvKey(key))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, abi.Errorf(abi.CodeNotFound, "the actor's KV has no such key")
	}
	if err != nil {
		return nil, readError(fmt.Errorf("actors: inspect: %w", err))
	}
	return v, nil
}
