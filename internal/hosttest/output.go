package hosttest

import (
	"bytes"
	"sync"
)

// maxOutput bounds what an Output keeps. Guests may have a host print without end.
const maxOutput = 16 << 20

// Output keeps what processes print, up to a bound. The zero value is empty. It is safe for concurrent use.
type Output struct {
	See func(line []byte) bool // takes a line, which is not kept then; nil takes none. Set it before a process starts

	mu   sync.Mutex // guards what follows
	kept bytes.Buffer
	part []byte // of a line that has not ended
}

// Write implements io.Writer.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := b
	if end := bytes.LastIndexByte(b, '\n') + 1; end > 0 {
		for line := range bytes.Lines(append(o.part, b[:end]...)) {
			o.takeLocked(line)
		}
		o.part, rest = o.part[:0], b[end:]
	}
	if len(o.part)+len(rest) <= maxOutput {
		o.part = append(o.part, rest...)
	}
	return len(b), nil
}

func (o *Output) takeLocked(line []byte) {
	if (o.See == nil || !o.See(line)) && o.kept.Len()+len(line) <= maxOutput {
		o.kept.Write(line)
	}
}

// String returns what was printed so far, but for lines that See took.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.kept.String() + string(o.part)
}
