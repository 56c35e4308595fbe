package badgerkv

import (
	"errors"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const collectEvery = 5 * time.Minute

// collectLoop runs Badger's value log collector. Our values are below the size that goes to that
// log, so it has nothing to do unless a later layout lets them in. Close ends the loop and waits.
func (s *Store) collectLoop() {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-s.failure.ch:
			return
		case <-tick.C:
		}
		for {
			err := s.db.RunValueLogGC(0.5)
			if errors.Is(err, badger.ErrNoRewrite) {
				break
			}
			if err != nil {
				s.config.Logger.Warn("value log collection failed", "error", translate("collect", err))
				break
			}
			select {
			case <-s.stop:
				return
			default:
			}
		}
	}
}
