package model

import (
	"fmt"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

var stateWrites = []stepKind{{"state_set", 10, func(d *draft) {
	d.w.serial++
	d.data.state = fmt.Sprint("state ", d.w.serial)
	d.add(actorstest.S("state_set", d.data.state), outcome{})
}}}

var stateReads = []stepKind{
	{"state_get", 8, func(d *draft) {
		want := outcome{N: int64(len(d.data.state)), B: d.data.state}
		if d.data.state == "" {
			want.N = abi.Absent
		}
		d.add(actorstest.S("state_get"), want)
	}},
	{"self", 3, func(d *draft) {
		d.add(actorstest.S("self"), outcome{any: true, has: fmt.Sprintf(`"version":%d`, d.w.live[d.self.address.Namespace])})
	}},
}
