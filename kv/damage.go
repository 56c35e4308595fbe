package kv

import (
	"fmt"
	"time"
)

// Damage is one thing that is wrong with what is stored, as a check of a store that nobody uses finds it.
type Damage struct {
	Code  string // what kind, such as "store/missing_chunk"
	Where string // for people
	Text  string
}

func (d Damage) String() string { return fmt.Sprintf("%s %s: %s", d.Code, d.Where, d.Text) }

// Report takes what a check finds.
type Report func(Damage)

// Found reports one thing.
func (r Report) Found(code, where, format string, args ...any) {
	r(Damage{code, where, fmt.Sprintf(format, args...)})
}

// Held is what a store knows of a space apart from its items.
type Held struct {
	Space Space
	Pos   uint64    // number of its last delta
	Name  []byte    // that finds it; nil if it has none
	Due   time.Time // zero means never
	Holds Counts
}
