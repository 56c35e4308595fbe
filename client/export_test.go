package client

import "time"

// Hurry makes a client wait less long: first and most are the bounds of the wait before it connects again, stable is
// how long a connection must stand.
func (c *Client) Hurry(first, most, stable time.Duration) {
	c.timing.first, c.timing.most, c.timing.stable = first, most, stable
}

// Listen makes a client look for signs of life at an interval, and give up after a time without any.
func (c *Client) Listen(ping, dead time.Duration) { c.timing.ping, c.timing.dead = ping, dead }

// Patience bounds one try to connect.
func (c *Client) Patience(dial time.Duration) { c.timing.dial = dial }

// Wait returns how long a connection waits before a try after so many.
func Wait(failures int, random float64) time.Duration { return defaultTiming.wait(failures, random) }

// Protocols are the sub-protocols of a handle.
func (h *Handle) Protocols() []string { return h.protocols("bare") }

// MaxEvents is how many events may wait.
const MaxEvents = maxEvents
