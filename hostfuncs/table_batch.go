package hostfuncs

import "github.com/vivarium-run/vivarium/hostfuncs/abi"

// itemGas is for each item of a batch, beside the price of the call.
const itemGas = 3000

// batchOperations take several KV items at once.
var batchOperations = []Operation{
	{
		Name: "kv_get_batch", Price: Price{10000, 1}, PerItem: itemGas, Params: []Param{bytesParam("keys")}, Result: BytesResult,
		Doc: "returns a page with those of up to 128 KV keys that there are, in the order asked for; keys is a page without values",
		do: func(c *Call, a *args) (answer, error) {
			keys, err := c.batch(a.b[0])
			if err != nil {
				return answer{}, err
			}
			page := abi.AppendPageHead(nil, false)
			for _, k := range keys {
				v, ok, err := c.actor.KVGet(k.Key)
				if err != nil {
					return answer{}, err
				}
				if !ok {
					continue
				}
				if page = abi.AppendItem(page, k.Key, v); len(page) > abi.MaxOutbox {
					return answer{}, abi.Errorf(abi.CodeOutputTooLarge, "the items are larger than %d bytes", abi.MaxOutbox)
				}
			}
			return answer{bytes: page}, nil
		},
	},
	{
		Name: "kv_put_batch", Price: Price{3000, 1}, PerItem: itemGas, Params: []Param{bytesParam("items")},
		Doc: "sets up to 128 KV items, given as a page, or none of them",
		do: func(c *Call, a *args) (answer, error) {
			items, err := c.batch(a.b[0])
			if err != nil {
				return answer{}, err
			}
			return answer{}, c.actor.KVPutBatch(items)
		},
	},
	{
		Name: "kv_delete_batch", Price: Price{3000, 1}, PerItem: itemGas, Params: []Param{bytesParam("keys")},
		Doc: "deletes up to 128 KV keys, given as a page without values, or none of them",
		do: func(c *Call, a *args) (answer, error) {
			keys, err := c.batch(a.b[0])
			if err != nil {
				return answer{}, err
			}
			return answer{}, c.actor.KVDeleteBatch(keys)
		},
	},
}

// batch reads a page of items and charges each.
func (c *Call) batch(page []byte) ([]abi.Item, error) {
	items, more, err := abi.ParsePage(page)
	if err != nil || more {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "a batch is a page, and its first byte 0")
	}
	if len(items) == 0 || len(items) > abi.MaxKVBatch {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "a batch has 1 to %d items", abi.MaxKVBatch)
	}
	c.charge(Price{Base: c.perItem * int64(len(items))}, 0)
	return items, nil
}
