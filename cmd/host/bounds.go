package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api"
)

// boundFlags say how much of a host clients and actors may take.
type boundFlags struct {
	conns, connsPerClient int
	clientRate            float64
	instances             int
}

// Bounds of --max-instances: with fewer than eight none is left for turns that are called from others, and each takes a mapping of
// the kernel's, of which the sandbox uses some 30,000.
const minInstances, maxInstances = 8, 30_000

func (f *boundFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.conns, "max-connections", api.DefaultMaxConns, "most network connections at a time")
	flags.IntVar(&f.connsPerClient, "max-connections-per-client", api.DefaultMaxConnsPerClient, "most of them from one address, or network of IPv6; behind trusted proxies most WebSockets")
	flags.Float64Var(&f.clientRate, "client-rate", 0, "most requests, and messages over WebSockets, a second from one address, or network of IPv6; 0 for no bound")
	flags.IntVar(&f.instances, "max-instances", actors.DefaultMaxInstances, "most actors that live in memory at a time, three quarters of them of one namespace; the others sleep")
}

// apply checks the flags and puts what they say into c.
func (f *boundFlags) apply(c *nodeConfig) error {
	switch {
	case f.conns < 1:
		return usagef("--max-connections: it must be at least 1")
	case f.connsPerClient < 1:
		return usagef("--max-connections-per-client: it must be at least 1")
	case !(f.clientRate >= 0 && f.clientRate <= api.MaxClientRate):
		return usagef("--client-rate: it must be between 0 and %d", api.MaxClientRate)
	case f.instances < minInstances || f.instances > maxInstances:
		return usagef("--max-instances: it must be between %d and %d", minInstances, maxInstances)
	}
	c.bounds = *f
	return nil
}

// withinDescriptors lowers a bound on connections to what the process may open beside the files of the store, which
// would fail without.
func withinDescriptors(conns int, log *slog.Logger) int {
	most := maxDescriptors()
	if most == 0 || conns <= most/4*3 {
		return conns
	}
	level := slog.LevelWarn
	if conns == api.DefaultMaxConns {
		level = slog.LevelInfo // nobody has asked for as many
	}
	log.Log(context.Background(), level, "the process may open too few files for so many connections", "files", most, "connections", most/4*3, "asked", conns)
	return max(1, most/4*3)
}
