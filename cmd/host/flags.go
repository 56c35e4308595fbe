package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagsFromEnv gives each flag that was not set the value of its variable, if there is one.
func flagsFromEnv(cmd *cobra.Command) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, ok := os.LookupEnv(envName(f.Name))
		if !ok || f.Changed || f.Annotations[ofOneCall] != nil || err != nil {
			return
		}
		if e := f.Value.Set(value); e != nil {
			err = usagef("%s=%q: %v", envName(f.Name), value, e)
		}
	})
	return err
}

// ofOneCall marks a flag that makes sense for one call only and has no variable.
const ofOneCall = "of-one-call"

func noEnv(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		cmd.Flags().SetAnnotation(f, ofOneCall, []string{}) // fails for unknown flags only
	}
}

// envName returns the variable of a flag: --key-file is VIVARIUM_KEY_FILE.
func envName(flag string) string {
	return "VIVARIUM_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// serverFlags are common to the commands that run a host.
type serverFlags struct {
	data, listen  string
	metrics       string
	allowLoopback []string
	minFree       byteSize
}

const defaultListen = "127.0.0.1:6420"

func (f *serverFlags) add(cmd *cobra.Command, data string) {
	cmd.Flags().StringVar(&f.data, "data", data, "folder that keeps everything")
	cmd.Flags().StringVar(&f.listen, "listen", defaultListen, "address to listen on")
	cmd.Flags().StringVar(&f.metrics, "metrics-listen", "", "address of a second listener that serves GET /metrics, without a token and nothing else")
	f.minFree = defaultMinFree
	cmd.Flags().Var(&f.minFree, "min-free", "free space of the data's disk below which nothing is written, in bytes or with KiB, MiB or GiB; 0 for no bound")
	cmd.Flags().StringSliceVar(&f.allowLoopback, "egress-allow-loopback", nil, "host:port of this machine that guests may reach if they are granted it; for tests")
}

// clientFlags are common to the commands that talk to a host.
type clientFlags struct {
	url, token, namespace string
}

func (f *clientFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "url", "http://"+defaultListen, "the host to talk to")
	cmd.Flags().StringVar(&f.token, "token", "", "token to show; 'host dev' needs none")
	cmd.Flags().StringVar(&f.namespace, "namespace", "", "namespace; empty is the token's")
}

// noArgs and its siblings are cobra's checks, as usage errors.
func noArgs(cmd *cobra.Command, args []string) error { return usageOf(cobra.NoArgs(cmd, args)) }
func oneArg(cmd *cobra.Command, args []string) error { return usageOf(cobra.ExactArgs(1)(cmd, args)) }
func twoOrMore(cmd *cobra.Command, args []string) error {
	return usageOf(cobra.MinimumNArgs(2)(cmd, args))
}

func usageOf(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}
