package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/logtext"
)

// logsCommand is `host logs`.
func logsCommand(ui *ui) *cobra.Command {
	var f actorFlags
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs {ACTOR --key KEY | --id ID}",
		Short: "Print an actor's log",
		Long:  "Prints what is kept of an actor's log and, with --follow, every line that comes after it.",
		Args:  func(cmd *cobra.Command, args []string) error { return usageOf(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && f.id == "" {
				return usagef("which actor? Name it with its --key, or give its --id")
			}
			return f.with(func(c *client.Client) error {
				h, err := f.handle(c, strings.Join(args, ""), c.Get)
				if err != nil {
					return err
				}
				id, err := h.Resolve(cmd.Context())
				if err != nil {
					return err
				}
				path := "/actors/" + url.PathEscape(id) + "/logs"
				if follow {
					return followLog(cmd.Context(), ui, c, path)
				}
				return printLog(cmd.Context(), ui, c, path)
			})
		},
	}
	f.add(cmd, "the actor's id, instead of name and key")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with lines that come later")
	noEnv(cmd, "follow")
	return cmd
}

func printLog(ctx context.Context, ui *ui, c *client.Client, path string) error {
	var answer struct{ Lines []actors.LogLine }
	if err := c.Fetch(ctx, client.Request{Path: path}, &answer); err != nil {
		return err
	}
	for _, l := range answer.Lines {
		printLine(ui, l)
	}
	return nil
}

// maxLine bounds a line of a log that is followed, in bytes.
const maxLine = 32 << 20

func followLog(ctx context.Context, ui *ui, c *client.Client, path string) error {
	resp, err := c.Open(ctx, client.Request{Path: path, Query: url.Values{"follow": {"true"}}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var l actors.LogLine
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &l) == nil && l.Seq > 0 {
			printLine(ui, l)
		}
	}
	return lines.Err()
}

func printLine(ui *ui, l actors.LogLine) {
	ui.print(fmt.Sprintf("%s %s %s: %s", l.Time.Format("15:04:05.000"), logtext.Line(l.Level, 16), logtext.Line(l.Source, 16), logtext.Line(l.Text, maxLogText)), l)
}
