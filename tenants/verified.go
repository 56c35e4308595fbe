package tenants

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxVerified bounds the tokens of one generation, about 200 bytes each.
const maxVerified = 4_096

// grant is what a good token says: whom it speaks for in [notBefore, Principal.Expires).
type grant struct {
	Principal
	notBefore time.Time // zero means always
	source    *source   // of the key of a namespace; nil for the host's
}

func (g *grant) holds(now time.Time) bool {
	return now.Before(g.Expires) && !now.Before(g.notBefore)
}

// verified remembers good tokens by their hash, for a client sends the same one with each request
// and a full check costs as much as the rest of the way in. Only time can make a remembered token
// bad, so the reader asks holds. Bad tokens are not remembered: strangers cannot fill it.
//
// It holds two generations. When the young one is full it becomes the old one, and the old one is
// forgotten; a token that is used moves back to the young one. The zero value is empty.
type verified struct {
	mu         sync.RWMutex // guards both maps
	young, old map[[sha256.Size]byte]grant
}

func (v *verified) get(id [sha256.Size]byte) (grant, bool) {
	v.mu.RLock()
	g, ok := v.young[id]
	older := false
	if !ok {
		g, older = v.old[id]
	}
	v.mu.RUnlock()
	if older {
		v.put(id, g)
	}
	return g, ok || older
}

func (v *verified) put(id [sha256.Size]byte, g grant) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.young == nil || len(v.young) >= maxVerified {
		v.old, v.young = v.young, map[[sha256.Size]byte]grant{}
	}
	v.young[id] = g
}
