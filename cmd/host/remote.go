package main

import (
	"encoding/json"
	"errors"
	"net"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/tenants"
)

// The commands that talk to a host do so over its network surface, like anybody else.

// with calls f with a client of the host. Its encoding is the one in which nothing is lost.
func (f *clientFlags) with(do func(c *client.Client) error) error {
	c, err := client.New(f.url, client.Options{Token: f.token, Namespace: f.namespace, Encoding: "json"})
	if err != nil {
		return &usageError{err}
	}
	defer c.Close()
	return do(c)
}

// actorFlags are common to the commands that talk to an actor.
type actorFlags struct {
	clientFlags
	key []string
	id  string
}

func (f *actorFlags) add(cmd *cobra.Command, id string) {
	f.clientFlags.add(cmd)
	cmd.Flags().StringArrayVar(&f.key, "key", nil, "component of the actor's key; may be repeated")
	cmd.Flags().StringVar(&f.id, "id", "", id)
	noEnv(cmd, "key", "id")
}

// handle addresses the actor of a name that the flags say. address is client.Client.Get or its sibling.
func (f *actorFlags) handle(c *client.Client, name string, address func(name string, key ...string) *client.Handle) (*client.Handle, error) {
	if f.id != "" {
		return c.ByID(f.id), nil
	}
	if _, err := tenants.NewKey(f.key...); err != nil {
		return nil, &usageError{err}
	}
	return address(name, f.key...), nil
}

// hint says what to look at when an error does not. An actor's own text is made harmless for a terminal.
func hint(err error) string {
	var e *client.Error
	if errors.As(err, &e) {
		s := harmless(e.Error())
		if e.ActorID != "" {
			s += "\nits log: host logs --id " + e.ActorID
		}
		return s
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return err.Error() + "; is a host running there?"
	}
	return err.Error()
}

// jsonArgs are arguments from the command line as JSON.
func jsonArgs(args []string) []any {
	list := make([]any, len(args))
	for i, a := range args {
		list[i] = jsonArg(a)
	}
	return list
}

// jsonArg is an argument as JSON if it is that, else a string.
func jsonArg(a string) any {
	if json.Valid([]byte(a)) {
		return client.Raw(a)
	}
	return a
}
