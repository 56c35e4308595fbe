package sandbox

import (
	"encoding/binary"
	"math"
	"time"
)

// Records of poll_oneoff, in bytes, and the kinds of events.
const (
	subscriptionSize = 48
	eventSize        = 32

	eventClock = 0
	eventRead  = 1
	eventWrite = 2
)

// pollChunk is how many subscriptions are paid for at once.
const pollChunk = 1000

// poll is poll_oneoff: (subscriptions, events, count, where to put the count of events). Each subscription
// gets its event at once. Only clocks are waited for, for the shortest time and only if there is no stream
// to read from, which has its end always ready.
func (c *wasiCall) poll() errno {
	n := uint64(c.u32(2))
	if n == 0 {
		return wasiInvalid
	}
	in, ok := c.bytes(c.u32(0), n*subscriptionSize)
	if !ok {
		return wasiFault
	}
	out, ok := c.bytes(c.u32(1), n*eventSize)
	if !ok {
		return wasiFault
	}
	if e := c.put32(3, uint32(n)); e != wasiOK {
		return e
	}
	p := poller{call: c, out: out, wait: math.MaxInt64}
	// Events of streams come after those of all others.
	for _, reads := range []bool{false, true} {
		if e := p.each(in, reads); e != wasiOK || p.reads == 0 && !reads {
			if e == wasiOK && p.wait > 0 {
				c.i.wait(func() { c.i.env.Sleep(p.wait) })
			}
			return e
		}
	}
	return wasiOK
}

// poller writes events.
type poller struct {
	call  *wasiCall
	out   []byte // what is left of the guest's list
	wait  time.Duration
	reads int // subscriptions of streams to read from
}

// each answers those subscriptions that read from a stream, or all others.
func (p *poller) each(in []byte, reads bool) errno {
	for left := 0; len(in) > 0; left-- {
		if left == 0 {
			left = min(pollChunk, len(in)/subscriptionSize)
			p.call.i.pay(priceEvent * int64(left))
		}
		if e := p.subscription(in[:subscriptionSize], reads); e != wasiOK {
			return e
		}
		in = in[subscriptionSize:]
	}
	return wasiOK
}

func (p *poller) subscription(s []byte, reads bool) errno {
	kind, fd := s[8], binary.LittleEndian.Uint32(s[16:])
	if kind == eventRead && fd < streams {
		if p.reads++; reads {
			p.event(s, wasiOK)
		}
		return wasiOK
	}
	if reads {
		return wasiOK // was answered before
	}
	switch {
	case kind == eventClock:
		return p.clock(s)
	case kind > eventWrite:
		return wasiInvalid
	case int32(fd) < 0:
		return wasiBadFile
	case fd < streams:
		p.event(s, wasiNotSup)
	default:
		p.event(s, wasiBadFile)
	}
	return wasiOK
}

// clock notes how long a subscription wants to wait.
func (p *poller) clock(s []byte) errno {
	const absolute = 1
	switch binary.LittleEndian.Uint16(s[40:]) {
	case 0:
	case absolute:
		return wasiNotSup
	default:
		return wasiInvalid
	}
	p.wait = min(p.wait, time.Duration(min(binary.LittleEndian.Uint64(s[24:]), math.MaxInt64)))
	p.event(s, wasiOK)
	return wasiOK
}

// event writes the event of a subscription. A guest may have put its list where the subscriptions are:
// they are then what it wrote there, and so is the answer.
func (p *poller) event(s []byte, e errno) {
	if len(p.out) == 0 {
		return // only if the guest has changed its mind by such a list
	}
	kind, user := s[8], binary.LittleEndian.Uint64(s)
	clear(p.out[:eventSize])
	binary.LittleEndian.PutUint64(p.out, user)
	p.out[8], p.out[10] = byte(e), kind
	p.out = p.out[eventSize:]
}
