package egress

import (
	"errors"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/internal/stats"
)

// cancelled stands in the table of endings for a request whose context ended; it is no code.
const cancelled = stats.TableSize - 1

// Refused counts a request that was refused before it came here.
func (c *Client) Refused(err error) { c.count(err) }

func (c *Client) count(err error) {
	var known *abi.Error
	switch {
	case err == nil:
		c.ended.Add(0)
	case errors.As(err, &known):
		c.ended.Add(int(known.Code))
	default:
		c.ended.Add(cancelled)
	}
}

// Stats returns how many requests have ended, by how they did: "answered" once the header was there, a code or
// "cancelled". open is how many run now.
func (c *Client) Stats() (ended map[string]uint64, open int) {
	ended = map[string]uint64{}
	c.ended.Each(func(i int, n uint64) {
		switch i {
		case 0:
			ended["answered"] += n
		case cancelled:
			ended["cancelled"] += n
		default:
			ended[abi.Code(i).String()] += n
		}
	})
	return ended, len(c.classes.slots)
}
