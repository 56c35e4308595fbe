package validate

import (
	"errors"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/spectest"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// FuzzValidate wants a verdict for any input, in memory linear in its size.
func FuzzValidate(f *testing.F) {
	n := 0
	for _, s := range spectest.Scripts(f) {
		for i := range s.Commands {
			c := &s.Commands[i]
			if c.Filename == "" || c.Form == spectest.Text {
				continue
			}
			if n++; n%20 == 0 { // enough to know every section and instruction
				f.Add(s.Module(f, c))
			}
		}
	}
	f.Add(withCode(wt.Code{}.Block(wt.Empty).Loop(wt.Empty).Br(0).Op(wt.End, wt.End)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var err error
		var facts *Facts
		used := allocated(func() { facts, err = Module(b, Limits{}) })
		if limit := uint64(256*len(b) + 256<<10); used > limit {
			t.Errorf("%d bytes allocated for %d, want at most %d", used, len(b), limit)
		}
		var e *Error
		switch {
		case err == nil && (facts == nil || len(facts.Bodies)+facts.ImportedFuncs != len(facts.Funcs)):
			t.Errorf("accepted with facts %+v", facts)
		case err != nil && (!errors.As(err, &e) || e.Offset < 0 || e.Offset > int64(len(b)) || e.Msg == ""):
			t.Errorf("refused with %#v", err)
		}
	})
}
