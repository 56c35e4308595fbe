package badgerkv_test

import (
	"context"
	"fmt"
	"os"

	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
)

// A space's owner claims it, numbers its deltas behind the lease's position, and releases it.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := badgerkv.Open(badgerkv.Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	ctx := context.Background()
	space := kv.NewSpace("acme", "room-1")
	lease, err := s.Claim(ctx, space)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Release(lease)

	done := make(chan error, 1)
	s.Commit(lease, &kv.Delta{
		N:    lease.Pos + 1,
		Ops:  []kv.Op{{Key: []byte("topic"), Value: []byte("actors")}},
		Bind: []byte("lobby"),
	}, func(err error) { done <- err })
	fmt.Println("committed:", <-done)

	found, err := s.Lookup(ctx, "acme", []byte("lobby"))
	if err != nil {
		fmt.Println(err)
		return
	}
	topic, err := s.Get(ctx, found, []byte("topic"))
	fmt.Printf("%s %v\n", topic, err)
	// Output:
	// committed: <nil>
	// actors <nil>
}
