package tenants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// How the keys behind a URL are kept.
const (
	keysFresh   = 10 * time.Minute // they are used without a look at the URL
	keysKept    = time.Hour        // they are still used while the URL does not answer
	keysRetry   = time.Minute      // between two fetches, whatever for
	keysTimeout = 5 * time.Second  // of a fetch
	maxKeySet   = 64 << 10         // bytes
	maxSetKeys  = 32
	maxKeyID    = 256 // bytes
)

// FetchKeys fetches a URL for a namespace, by the way that its guests take: where they may not go, it does not. It
// returns at most max bytes, or an error.
type FetchKeys func(ctx context.Context, ns ID, url string, max int) ([]byte, error)

// keySet is the keys behind a URL, as they were when it answered last. Strangers can ask for any key, so however
// many do it is fetched once a minute at most, and those who need no fetch wait for none.
type keySet struct {
	url string

	mu      sync.Mutex            // guards the fields below
	keys    map[string]*publicKey // by kid; immutable
	fetched time.Time             // when it answered last
	tried   time.Time             // when it was asked last
	problem string                // why it did not answer then
	waiting chan struct{}         // closed when the fetch that runs has ended; nil without one
}

// look returns a key without a fetch. sure is false if the URL might know better.
func (s *keySet) look(kid string, now time.Time) (k *publicKey, sure bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k = s.keys[kid]
	age := now.Sub(s.fetched)
	if s.fetched.IsZero() || age >= keysKept {
		return nil, false
	}
	return k, k != nil && age < keysFresh
}

// refresh returns once the URL has answered or will not. It fetches unless somebody did within the last minute, and
// reports whether it did and got other keys than before.
func (s *keySet) refresh(ctx context.Context, ns ID, fetch FetchKeys, now time.Time) (changed bool) {
	s.mu.Lock()
	if running := s.waiting; running != nil {
		s.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
		}
		return false
	}
	if !s.tried.IsZero() && now.Sub(s.tried) < keysRetry {
		s.mu.Unlock()
		return false
	}
	done := make(chan struct{})
	s.tried, s.waiting = now, done
	s.mu.Unlock()

	keys, err := map[string]*publicKey(nil), errors.New("the fetch broke off")
	defer func() { // also if it panics, for nobody else would end the wait
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting, s.problem = nil, ""
		if err == nil {
			changed = !maps.EqualFunc(s.keys, keys, func(a, b *publicKey) bool { return bytes.Equal(a.der, b.der) })
			s.keys, s.fetched = keys, now
		} else {
			s.problem = err.Error()
		}
		close(done)
	}()
	keys, err = s.fetch(ctx, ns, fetch)
	return changed // as it is once keys are kept, above
}

// fetch is for everybody who waits, so it does not end with the request that began it.
func (s *keySet) fetch(ctx context.Context, ns ID, fetch FetchKeys) (map[string]*publicKey, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	doc, err := fetch(ctx, ns, s.url, maxKeySet)
	if err != nil {
		return nil, err
	}
	return parseKeySet(doc)
}

// state is what the owner of the URL may know.
func (s *keySet) state() (kids []string, fetched time.Time, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for kid := range s.keys {
		kids = append(kids, kid)
	}
	return kids, s.fetched, s.problem
}

// parseKeySet reads a JSON Web Key Set. Keys without an id, and those for other uses, are passed over; anything that is
// wrong refuses the set, for half of one would let in half of the users.
func parseKeySet(doc []byte) (map[string]*publicKey, error) {
	members, err := strictObject(doc, "keys")
	if err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if json.Unmarshal(members["keys"], &list) != nil || list == nil {
		return nil, errors.New("there is no list of keys")
	}
	if len(list) > maxSetKeys {
		return nil, fmt.Errorf("a set has at most %d keys, this one has %d", maxSetKeys, len(list))
	}
	keys := map[string]*publicKey{}
	for i, item := range list {
		k, kid, err := parseJWK(item)
		switch {
		case errors.Is(err, errOtherUse), err == nil && kid == "":
			continue
		case err != nil:
			return nil, fmt.Errorf("key %d: %w", i, err)
		case len(kid) > maxKeyID || keys[kid] != nil:
			return nil, fmt.Errorf("key %d: its id is too long or there twice", i)
		}
		keys[kid] = k
	}
	return keys, nil
}
