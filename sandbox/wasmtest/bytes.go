package wasmtest

// Header begins every module.
const Header = "\x00asm\x01\x00\x00\x00"

// Numbers of sections.
const (
	CustomSection byte = iota
	TypeSection
	ImportSection
	FuncSection
	TableSection
	MemorySection
	GlobalSection
	ExportSection
	StartSection
	ElemSection
	CodeSection
	DataSection
	DataCountSection
	TagSection
)

// U32 encodes an unsigned integer in the shortest way.
func U32(v uint32) []byte { return appendU(nil, uint64(v)) }

func appendU(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// S64 encodes a signed integer in the shortest way.
func S64(v int64) []byte { return appendS(nil, v) }

func appendS(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

// PadU32 encodes an unsigned integer in n bytes, which is valid for n up to 5 if v fits.
func PadU32(v uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(v)&0x7f | 0x80
		v >>= 7
	}
	b[n-1] &= 0x7f
	return b
}

// Name encodes a name, which may be any bytes.
func Name(s string) []byte { return append(U32(uint32(len(s))), s...) }

// Cat joins pieces.
func Cat(pieces ...[]byte) (b []byte) {
	for _, p := range pieces {
		b = append(b, p...)
	}
	return b
}

// Repeat joins n copies of b.
func Repeat(b []byte, n int) []byte {
	out := make([]byte, 0, len(b)*n)
	for range n {
		out = append(out, b...)
	}
	return out
}

// Vec encodes a vector of the elements given.
func Vec(elements ...[]byte) []byte { return Claim(uint32(len(elements)), elements...) }

// Claim encodes a vector that claims to have n elements, whatever follows.
func Claim(n uint32, elements ...[]byte) []byte { return append(U32(n), Cat(elements...)...) }

// Section encodes a section.
func Section(id byte, body ...[]byte) []byte {
	b := Cat(body...)
	return Cat([]byte{id}, U32(uint32(len(b))), b)
}

// Custom encodes a custom section.
func Custom(name string, content []byte) []byte {
	return Section(CustomSection, Name(name), content)
}

// Raw encodes a module of the sections given.
func Raw(sections ...[]byte) []byte { return append([]byte(Header), Cat(sections...)...) }
