package image_test

import (
	"bytes"
	"fmt"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
)

// Two instances of one image, and a third of what its file gives back.
func Example() {
	arena := image.NewArena(image.Config{})
	started := append([]byte("started"), make([]byte, image.WasmPageSize-7)...)
	im, err := arena.New(image.Spec{Key: image.Origin{Module: "m"}.Key(), Memory: started, MaxWasmPages: 16})
	if err != nil {
		fmt.Println(err)
		return
	}
	one, _ := im.NewMemory()
	two, _ := im.NewMemory()
	copy(one.Bytes(), "changed")
	fmt.Printf("%s, %s\n", one.Bytes()[:7], two.Bytes()[:7])
	one.Reset()
	fmt.Printf("%s\n", one.Bytes()[:7])

	var file bytes.Buffer
	im.WriteTo(&file)
	back, _ := arena.Read(&file, im.Key())
	three, _ := back.NewMemory()
	fmt.Printf("%s, %t\n", three.Bytes()[:7], back.Digest() == im.Digest())

	for _, m := range []*image.Memory{one, two, three} {
		m.Close()
	}
	im.Close()
	back.Close()
	fmt.Printf("%+v\n", arena.Stats())
	// Output:
	// changed, started
	// started
	// started, true
	// {Images:0 Memories:0 Mappings:0 MappedBytes:0}
}
