package pagedelta_test

import (
	"fmt"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
)

// An actor's memory goes to sleep and wakes in another instance's. Real memories are filled by
// guests and grown by them; here a byte is enough.
func Example() {
	arena := image.NewArena(image.Config{})
	im, err := arena.New(image.Spec{Memory: make([]byte, image.WasmPageSize), Globals: []uint64{100}, MaxWasmPages: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()

	actor, _ := im.NewMemory()
	actor.Bytes()[12345] = 42
	d, _ := pagedelta.Capture(actor, pagedelta.Mark{Owner: "actor", Position: 7}, []uint64{101})
	actor.Close()

	shell, _ := im.NewMemory()
	defer shell.Close()
	for _, position := range []uint64{8, 7} { // as of the store
		if !d.Matches(pagedelta.Mark{Owner: "actor", Position: position}, im.Digest()) {
			fmt.Printf("at commit %d the actor wakes from its state\n", position)
			continue
		}
		if err := d.Apply(shell); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("at commit %d it has %d in memory and %d in its global\n", position, shell.Bytes()[12345], d.Globals()[0])
	}
	// Output:
	// at commit 8 the actor wakes from its state
	// at commit 7 it has 42 in memory and 101 in its global
}
