package actors

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// The last runs of schedules are kept, so that somebody who asks why nothing happened finds an answer:
//
//	'h' <number of the delta, of the run in it> <id of the schedule>  ->  abi.Run
//
// in the order in which they were. Each new one lets at most one old one go.

// maxRunError bounds an error text in a run: there may be many.
const maxRunError = 256

// record notes a run.
func (t *turn) record(r abi.Run) error {
	if err := t.forgetRuns(r.ID); err != nil {
		return err
	}
	t.made++
	key := binary.BigEndian.AppendUint64([]byte{tableRuns}, t.a.number+1)
	key = binary.BigEndian.AppendUint32(key, uint32(t.made))
	return t.put(append(key, r.ID...), encode(r))
}

const runKeyHead = 1 + 8 + 4 // before the id

// forgetRuns makes room for one more run of a schedule.
func (t *turn) forgetRuns(id string) error {
	var first, firstOfID []byte
	all, ofID := 0, 0
	for it, err := range t.view.Scan(t.ctx, kv.PrefixRange([]byte{tableRuns})) {
		if err != nil {
			return t.readError(err)
		}
		if all++; first == nil {
			first = slices.Clone(it.Key)
		}
		if string(it.Key[min(runKeyHead, len(it.Key)):]) != id {
			continue
		}
		if ofID++; firstOfID == nil {
			firstOfID = slices.Clone(it.Key)
		}
	}
	if ofID >= abi.MaxRuns {
		return t.delete(firstOfID)
	}
	if all >= abi.MaxRunsOfActor {
		return t.delete(first)
	}
	return nil
}

// ScheduleRuns implements hostfuncs.Actor.
func (t *turn) ScheduleRuns(id string) ([]byte, error) {
	if t.startup {
		return nil, errStartup
	}
	runs := []abi.Run{}
	r := kv.PrefixRange([]byte{tableRuns})
	r.Reverse = true
	for it, err := range t.view.Scan(t.ctx, r) {
		if err != nil {
			return nil, t.readError(err)
		}
		if string(it.Key[min(runKeyHead, len(it.Key)):]) != id {
			continue
		}
		var run abi.Run
		if json.Unmarshal(it.Value, &run) != nil {
			return nil, kv.ErrCorrupt
		}
		runs = append(runs, run)
	}
	return encode(runs), nil
}
