package main

import (
	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/tenants"
)

// limitFlags are the limits of a new token. They are for one call: a variable that is set by chance must not narrow
// a token, nor one that was forgotten widen it.
type limitFlags struct {
	limits tenants.Limits
	bytes  int64
	count  int
	rate   int
}

func (f *limitFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.limits.Actors, "only-actor", nil, "name of an actor that it may reach; may be repeated, as the next three")
	flags.StringArrayVar(&f.limits.Keys, "only-key", nil, "actor key, or the components that one begins with, such as org/1")
	flags.StringArrayVar(&f.limits.Actions, "only-action", nil, "action that it may call, or queue:NAME, connect:, request: or websocket:")
	flags.StringArrayVar(&f.limits.Modules, "only-module", nil, "module that it may see and change")
	flags.Int64Var(&f.bytes, "max-upload-bytes", -1, "most bytes of a module; negative is no limit")
	flags.IntVar(&f.count, "max-uploads", -1, "uploads that it may try; negative is no limit")
	flags.BoolVar(&f.limits.NoLive, "no-live", false, "it may upload, but not change which version is live")
	flags.StringArrayVar(&f.limits.Origins, "only-origin", nil, "web origin whose pages may have it, which makes it publishable; may be repeated")
	flags.IntVar(&f.rate, "max-rate", 0, "requests a minute from one address with a publishable token; 0 is the host's default")
	noEnv(cmd, "only-origin", "max-rate", "only-actor", "only-key", "only-action", "only-module", "max-upload-bytes", "max-uploads", "no-live")
}

// get returns the limits, nil if none was asked for.
func (f *limitFlags) get() *tenants.Limits {
	l := f.limits
	if f.bytes >= 0 {
		l.UploadBytes = &f.bytes
	}
	if f.count >= 0 {
		l.Uploads = &f.count
	}
	if f.rate != 0 {
		l.Rate = &f.rate
	}
	if l.Origins == nil && l.Rate == nil && l.Actors == nil && l.Keys == nil && l.Actions == nil && l.Modules == nil && l.UploadBytes == nil && l.Uploads == nil && !l.NoLive {
		return nil
	}
	return &l
}
