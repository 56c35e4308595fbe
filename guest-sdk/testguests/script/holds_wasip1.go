package main

import "unsafe"

// holds counts the places in this instance's memory of a text, which is given with each byte one more so that the
// question is none of them.
func holds(shifted string) (n int64) {
	// A large allocation is at the top of the heap, or nearly so.
	top := make([]byte, 1<<20)
	const begin = 4096
	end := uintptr(unsafe.Pointer(&top[len(top)-1]))
	memory := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(nil), begin)), end-begin)
	for i := range len(memory) - len(shifted) {
		j := 0
		for j < len(shifted) && memory[i+j] == shifted[j]-1 {
			j++
		}
		if j == len(shifted) {
			n++
		}
	}
	return n
}
