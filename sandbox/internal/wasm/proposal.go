package wasm

// The proposals beyond the core specification 2.0 that Proposal and TypeProposal know.
const (
	Threads        = "threads"
	Memory64       = "memory64"
	MultiMemory    = "multi-memory"
	GC             = "garbage collection"
	TailCall       = "tail calls"
	Exceptions     = "exception handling"
	TypedFuncRefs  = "typed function references"
	RelaxedSIMD    = "relaxed SIMD"
	WideArithmetic = "wide arithmetic"
	ExtendedConst  = "extended constant expressions"
	PageSizes      = "custom page sizes"
	StackSwitching = "stack switching"
)

// Proposal names the proposal that has the instruction which code begins with. It is empty for an
// instruction of the core specification and for one that no proposal has.
func Proposal(code []byte) string {
	r := NewReader(code, 0)
	switch op := r.Byte(); {
	case r.Err() != nil:
		return ""
	case op == PrefixAtomic:
		return Threads
	case op == PrefixGC, op == 0xd3:
		return GC
	case op == PrefixVec:
		if n := r.U32(); r.Err() == nil && n >= 0x100 && n <= 0x12f {
			return RelaxedSIMD
		}
	case op == PrefixMisc:
		if n := r.U32(); n >= 19 && n <= 22 {
			return WideArithmetic
		}
	case op == 0x12, op == 0x13:
		return TailCall
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		return Exceptions
	case op == 0x14, op == 0x15, op >= 0xd4 && op <= 0xd6:
		return TypedFuncRefs
	case op >= 0xe0 && op <= 0xe6:
		return StackSwitching
	}
	return ""
}

// TypeProposal names the proposal that has the value type or type form which begins with c.
func TypeProposal(c byte) string {
	switch c {
	case RefNullPrefix, RefPrefix:
		return TypedFuncRefs
	case 0x69, 0x74: // exnref, nullexnref
		return Exceptions
	case 0x68, 0x75, 0x5d: // contref, nullcontref, cont
		return StackSwitching
	case 0x4e, 0x4f, 0x50, 0x5e, 0x5f, // rec, sub final, sub, array, struct
		0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73: // references
		return GC
	}
	return ""
}

// LimitsProposal names the proposal that has the flags of a memory or table type.
func LimitsProposal(flags byte) string {
	switch {
	case flags > 0x0f:
		return ""
	case flags&0x08 != 0:
		return PageSizes
	case flags&0x04 != 0:
		return Memory64
	case flags&0x02 != 0:
		return Threads
	}
	return ""
}
