package guest

import "github.com/vivarium-run/vivarium/hostfuncs/abi"

// DeadLetter is a message, a send or a task's outcome that was given up.
type DeadLetter = abi.DeadLetter

// VarsOf returns what the Def's Vars made on the last wake. It panics if that is not a T, and in Create
// and Upgrade, which are before the wake.
func VarsOf[T any](c Context) T { return c.turnEnv().vars.(T) }

// Sleep lets the actor sleep as soon as nothing waits for it, and not only when it was idle for long.
func (c *env) Sleep() error { return c.host.Sleep() }

// DestroySelf ends the actor and all it has, if the turn succeeds.
func (c *env) DestroySelf() error { return c.host.Destroy() }

// GasLeft returns the gas that the turn may still use. A turn that uses it up fails.
func (c *env) GasLeft() int64 {
	n, err := c.host.GasLeft()
	check(err)
	return n
}

// DeadLetters returns some of what was given up, oldest first, from behind an id on; empty is from the
// start. An empty list is the end.
func (c *env) DeadLetters(after string) ([]DeadLetter, error) {
	return decodedList[DeadLetter](c.host.DeadList(after))
}

// Redrive tries a dead letter again, and reports whether there is one with the id.
func (c *env) Redrive(id string) (bool, error) {
	n, err := c.host.DeadRetry(id)
	return n == 1, err
}
