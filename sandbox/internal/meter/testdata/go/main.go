//go:build wasip1

// The Go guest of BenchmarkCompute.
package main

//go:wasmexport compute
func compute() int32 {
	const n = 200000
	s := make([]bool, n+1)
	c := 0
	for i := 2; i <= n; i++ {
		if !s[i] {
			c++
			for j := i * 2; j <= n; j += i {
				s[j] = true
			}
		}
	}
	var h uint64 = 14695981039346656037
	for i := range 300000 {
		h ^= uint64(i & 255)
		h *= 1099511628211
		if h&7 == 3 {
			h += uint64(c)
		}
	}
	m := map[int]int{}
	for i := range 20000 {
		m[i&1023] += i
	}
	return int32(c+fib(22)) + int32(h&1) + int32(len(m))
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func main() {}
