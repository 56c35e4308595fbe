package kv_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/vivarium-run/vivarium/kv"
)

// empty is a store in which nothing has landed yet.
type empty struct{}

func (empty) Get(context.Context, kv.Space, []byte) ([]byte, error) { return nil, kv.ErrNotFound }

func (empty) Scan(context.Context, kv.Space, kv.Range) iter.Seq2[kv.Item, error] {
	return func(func(kv.Item, error) bool) {}
}

// A turn reads its own changes over those of the turn before it, whose delta is still in flight.
func ExampleView() {
	var inFlight, turn kv.Overlay
	inFlight.Put([]byte("count"), []byte("41"))
	inFlight.Put([]byte("draft"), []byte("hello"))
	turn.Put([]byte("count"), []byte("42"))
	turn.Delete([]byte("draft"))

	v := kv.View{Layers: []*kv.Overlay{&turn, &inFlight}, Store: empty{}, Space: kv.NewSpace("acme", "room-1")}
	for item, err := range v.Scan(context.Background(), kv.Range{}) {
		fmt.Printf("%s=%s %v\n", item.Key, item.Value, err)
	}
	// Output: count=42 <nil>
}
