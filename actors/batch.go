package actors

import "github.com/vivarium-run/vivarium/hostfuncs/abi"

// KVPutBatch implements hostfuncs.Storage.
func (t *turn) KVPutBatch(items []abi.Item) error {
	for _, it := range items {
		if len(it.Value) > abi.MaxKVValue {
			return abi.Errorf(abi.CodeValueTooLarge, "the KV value of %q is larger than %d bytes", clip(string(it.Key)), abi.MaxKVValue)
		}
	}
	if err := t.roomFor(items); err != nil {
		return err
	}
	for _, it := range items {
		t.changes.Put(kvKey(it.Key), append([]byte{}, it.Value...))
	}
	return nil
}

// KVDeleteBatch implements hostfuncs.Storage.
func (t *turn) KVDeleteBatch(keys []abi.Item) error {
	for i := range keys {
		keys[i].Value = nil
	}
	if err := t.roomFor(keys); err != nil {
		return err
	}
	for _, it := range keys {
		t.changes.Delete(kvKey(it.Key))
	}
	return nil
}

// roomFor checks the keys of a batch and that the turn may write all of it. What the batch overwrites of
// the turn is not counted twice; a key that is twice in the batch is.
func (t *turn) roomFor(items []abi.Item) error {
	if t.startup {
		return errStartup
	}
	size, ops := t.changes.Size(), t.changes.Len()
	for _, it := range items {
		if err := checkKVKey(it.Key); err != nil {
			return err
		}
		key := kvKey(it.Key)
		size, ops = size+len(key)+len(it.Value), ops+1
		if old, ok := t.changes.Get(key); ok {
			size, ops = size-len(key)-len(old), ops-1
		}
	}
	if size > abi.MaxDelta || ops > abi.MaxDeltaOps {
		return errDeltaTooLarge
	}
	return nil
}
