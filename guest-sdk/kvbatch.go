package guest

import "github.com/vivarium-run/vivarium/hostfuncs/abi"

// GetBatch returns the values of those of up to abi.MaxKVBatch KV keys that there are. It is one call
// of the host, where Get is one for each.
func (kv KV) GetBatch(keys ...string) (map[string][]byte, error) {
	found := make(map[string][]byte, len(keys))
	if len(keys) == 0 {
		return found, nil
	}
	b, err := kv.host.KVGetBatch(pageOfKeys(keys))
	if err != nil {
		return nil, err
	}
	items, _, err := abi.ParsePage(b)
	for _, it := range items {
		found[string(it.Key)] = it.Value
	}
	return found, err
}

// PutBatch stores up to abi.MaxKVBatch items, or none of them if it fails.
func (kv KV) PutBatch(items ...Item) error {
	if len(items) == 0 {
		return nil
	}
	page := abi.AppendPageHead(nil, false)
	for _, it := range items {
		page = abi.AppendItem(page, []byte(it.Key), it.Value)
	}
	return kv.host.KVPutBatch(page)
}

// DeleteBatch removes those of up to abi.MaxKVBatch items that there are, or none of them if it fails.
func (kv KV) DeleteBatch(keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	return kv.host.KVDeleteBatch(pageOfKeys(keys))
}

func pageOfKeys(keys []string) []byte {
	page := abi.AppendPageHead(nil, false)
	for _, k := range keys {
		page = abi.AppendItem(page, []byte(k), nil)
	}
	return page
}
