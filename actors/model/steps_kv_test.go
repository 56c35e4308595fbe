package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

var kvWrites = []stepKind{
	{"kv_put", 30, kvPut},
	{"kv_put_batch", 5, kvPutBatch},
	{"kv_delete", 12, kvDelete},
	{"kv_delete_range", 3, kvDeleteRange},
}

var kvReads = []stepKind{
	{"kv_get", 25, kvGet},
	{"kv_list", 8, kvList},
}

// The items that turns write and list are apart from those of sends, which come when they come.
const kvFirst, kvPast = "k/", "k0"

func (d *draft) key() string { return fmt.Sprintf("%s%02d", kvFirst, d.w.rnd.Intn(24)) }

func (d *draft) value() string {
	n := d.w.rnd.Intn(60)
	if d.w.chance(60) {
		n = 4000 + d.w.rnd.Intn(60000)
	}
	d.w.serial++
	return strings.Repeat(fmt.Sprint("v", d.w.serial, "."), 1+n/6)
}

func kvPut(d *draft) {
	key, value := d.key(), d.value()
	d.data.kv[key] = value
	d.add(actorstest.S("kv_put", key, value), outcome{})
}

func kvPutBatch(d *draft) {
	page := abi.AppendPageHead(nil, false)
	for range 1 + d.w.rnd.Intn(5) {
		key, value := d.key(), fmt.Sprint("batch", d.w.rnd.Intn(1000))
		d.data.kv[key] = value
		page = abi.AppendItem(page, []byte(key), []byte(value))
	}
	d.add(actorstest.S("kv_put_batch", page), outcome{})
}

func kvDelete(d *draft) {
	key := d.key()
	delete(d.data.kv, key)
	d.add(actorstest.S("kv_delete", key), outcome{})
}

func kvGet(d *draft) {
	key := d.key()
	want := outcome{N: abi.Absent}
	if v, ok := d.data.kv[key]; ok {
		want = outcome{N: int64(len(v)), B: v}
	}
	d.add(actorstest.S("kv_get", key), want)
}

// bounds draws a range of items, sorted: lo, hi, the keys in it.
func (d *draft) bounds() (lo, hi string, keys []string) {
	lo, hi = kvFirst, kvPast
	if d.w.chance(2) {
		lo = d.key()
	}
	if d.w.chance(2) {
		hi = d.key()
	}
	for _, k := range slices.Sorted(maps.Keys(d.data.kv)) {
		if k >= lo && k < hi {
			keys = append(keys, k)
		}
	}
	return lo, hi, keys
}

func kvList(d *draft) {
	lo, hi, keys := d.bounds()
	limit, flags := d.w.rnd.Intn(12), 0
	if d.w.chance(2) {
		flags |= abi.ListReverse
		slices.Reverse(keys)
	}
	flags |= abi.ListKeys // values are read one by one
	more := limit > 0 && len(keys) > limit
	if more {
		keys = keys[:limit]
	}
	page := abi.AppendPageHead(nil, more)
	for _, k := range keys {
		page = abi.AppendItem(page, []byte(k), nil)
	}
	d.add(actorstest.S("kv_list", lo, hi, "", limit, flags), outcome{N: int64(len(page)), B: asJSON(string(page))})
}

func kvDeleteRange(d *draft) {
	lo, hi, keys := d.bounds()
	limit := d.w.rnd.Intn(6)
	if d.nested {
		limit = 0 // or a second time would delete more
	}
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
	}
	for _, k := range keys {
		delete(d.data.kv, k)
	}
	want := outcome{N: int64(len(keys))}
	want.any = d.nested // it may be the second time
	d.add(actorstest.S("kv_delete_range", lo, hi, limit, 0), want)
}

// asJSON returns s as it is after a guest has put it into JSON.
func asJSON(s string) (out string) {
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}
