package tenants

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"testing"
	"time"
)

// TestVerifyRemembered holds that only time changes the answer for a token that was good once.
func TestVerifyRemembered(t *testing.T) {
	k := testKeyring(t)
	token := claimed(t, `"jti":"1"`, `"nbf":1799999500`)
	at := func(sec int64) time.Time { return time.Unix(sec, 0) }
	first, err := k.Verify(token, testNow)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		now time.Time
		ok  bool
	}{
		{at(1799999499), false}, {at(1799999500), true}, {at(1800000099), true}, {at(1800000100), false}, {testNow, true},
	} {
		if p, err := k.Verify(token, tt.now); (err == nil) != tt.ok || tt.ok && p != first {
			t.Errorf("Verify at %d = %+v, %v, want %v", tt.now.Unix(), p, err, tt.ok)
		}
	}
	for name, attack := range attacks(t) {
		for range 2 {
			if _, err := k.Verify(attack, testNow); err == nil {
				t.Errorf("%s is accepted", name)
			}
		}
	}
	if n := len(k.good.young); n != 1 {
		t.Errorf("%d tokens are remembered, want the good one", n)
	}
}

func tokenID(n int) [sha256.Size]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func TestVerifiedIsBounded(t *testing.T) {
	var v verified
	used := grant{Principal: Principal{Subject: "used"}}
	v.put(tokenID(-1), used)
	for n := range 5 * maxVerified {
		v.put(tokenID(n), grant{})
		if n%100 == 0 {
			if g, ok := v.get(tokenID(-1)); !ok || g != used {
				t.Fatalf("after %d others the token in use is forgotten", n)
			}
		}
		if len(v.young)+len(v.old) > 2*maxVerified {
			t.Fatalf("%d tokens are remembered", len(v.young)+len(v.old))
		}
	}
	if _, ok := v.get(tokenID(0)); ok {
		t.Error("a token out of use is still remembered")
	}
}

func TestVerifyHammer(t *testing.T) {
	k := testKeyring(t)
	token := signed(goodHeader, goodClaims)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 2_000 {
				k.good.put(tokenID(i*2_000+n), grant{})
				if p, err := k.Verify(token, testNow); err != nil || p.Namespace != "acme" {
					t.Errorf("Verify = %+v, %v", p, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
