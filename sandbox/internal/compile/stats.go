package compile

import (
	"errors"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/internal/stats"
)

// runs counts the workers that have ended. The zero value is empty.
type runs struct {
	took  stats.Times
	ended stats.Table // by place in endings
}

// endings are how a worker's run is told to have ended; the last is for whatever is not a Kind, such as a call that
// nobody waits for any more.
var endings = []string{
	"ok", string(KindRefused), string(KindTimeout), string(KindCPU), string(KindMemory), string(KindSize), string(KindLoad),
	string(KindCrashed), string(KindOutput), string(KindBusy), string(KindUnavailable), "cancelled",
}

func (r *runs) count(begun time.Time, err error) {
	r.took.Since(begun)
	var e *Error
	ending := "cancelled"
	switch {
	case err == nil:
		ending = "ok"
	case errors.As(err, &e):
		ending = string(e.Kind)
	}
	r.ended.Add(slices.Index(endings, ending))
}

// Stats returns how many workers have ended, by how they did: "ok", a Kind or "cancelled". took is how long they ran.
func (c *Compiler) Stats() (ended map[string]uint64, took stats.Spread) {
	ended = map[string]uint64{}
	c.runs.ended.Each(func(i int, n uint64) { ended[endings[min(i, len(endings)-1)]] += n })
	return ended, c.runs.took.Read()
}
