//go:build !linux

package image

// canMap tells whether images can be mapped copy-on-write here.
const canMap = false

func kernelMappings() int { return 0 }

func newSealedImage(*Arena, []byte, pageSet, int) (backing, error) { panic("image: no mappings here") }

func mapZeros(*Arena, int) (ram, error) { panic("image: no mappings here") }
