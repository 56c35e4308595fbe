package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
)

// callCommand is `host call`.
func callCommand(ui *ui) *cobra.Command {
	var f actorFlags
	cmd := &cobra.Command{
		Use:   "call ACTOR ACTION [ARGUMENT ...]",
		Short: "Call an action of an actor, which is made if there is none",
		Long: "Calls an action and prints its result. An argument that is JSON is passed as it is, any other as\n" +
			"a string: host call counter increment 5 --key acme --key lobby",
		Args: twoOrMore,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.with(func(c *client.Client) error {
				h, err := f.handle(c, args[0], c.GetOrCreate)
				if err != nil {
					return err
				}
				out, err := client.Call[client.Raw](cmd.Context(), h, args[1], jsonArgs(args[2:])...)
				if err != nil {
					return err
				}
				ui.print(strings.TrimSpace(string(out)), map[string]client.Raw{"output": out})
				return nil
			})
		},
	}
	f.add(cmd, "the actor's id, instead of its key")
	return cmd
}

// listenCommand is `host listen`.
func listenCommand(ui *ui) *cobra.Command {
	var f actorFlags
	var params string
	var count int
	cmd := &cobra.Command{
		Use:   "listen ACTOR EVENT [EVENT ...]",
		Short: "Print the events of an actor, which is made if there is none",
		Long: "Connects to an actor and prints what it broadcasts, a line each: the event, and its arguments as\n" +
			"JSON. When the connection breaks it connects again, and says so on standard error.",
		Args: twoOrMore,
		RunE: func(cmd *cobra.Command, args []string) error {
			if count < 0 {
				return usagef("--count is negative")
			}
			return f.with(func(c *client.Client) error {
				h, err := f.handle(c, args[0], c.GetOrCreate)
				if err != nil {
					return err
				}
				if params != "" {
					h = h.WithParams(jsonArg(params))
				}
				l := &listening{ui: ui, left: count, enough: make(chan struct{})}
				if count == 0 {
					l.left = -1
				}
				conn, err := h.Connect(cmd.Context(), client.ConnOptions{Status: l.status})
				if err != nil {
					return err
				}
				defer conn.Close()
				for _, event := range args[1:] {
					conn.On(event, l.event)
				}
				return l.wait(conn)
			})
		},
	}
	f.add(cmd, "the actor's id, instead of its key")
	cmd.Flags().StringVar(&params, "params", "", "params of the connection; what is not JSON is a string")
	cmd.Flags().IntVar(&count, "count", 0, "end after so many events; 0 is never")
	noEnv(cmd, "params", "count")
	return cmd
}

// listening prints what a connection tells its one goroutine of handlers.
type listening struct {
	ui     *ui
	left   int           // events to print; negative means no end
	enough chan struct{} // closed when they are printed
}

func (l *listening) event(e client.Event) {
	args, err := e.Args()
	if err != nil || l.left == 0 {
		return // no host sends that, or enough is printed
	}
	text, err := json.Marshal(args)
	if err != nil {
		return
	}
	l.ui.print(harmless(e.Name+" "+string(text)), map[string]any{"event": e.Name, "args": args})
	if l.left--; l.left == 0 {
		close(l.enough)
	}
}

func (l *listening) status(s client.Status, why error) {
	switch s {
	case client.Connected:
		fmt.Fprintln(l.ui.err, "host: connected")
	case client.Connecting:
		fmt.Fprintln(l.ui.err, "host: connecting again: "+hint(why))
	}
}

// wait returns when enough is printed, or when the connection has ended.
func (l *listening) wait(conn *client.Conn) error {
	select {
	case <-l.enough:
		return nil
	case <-conn.Done():
		_, why := conn.Status()
		return why
	}
}
