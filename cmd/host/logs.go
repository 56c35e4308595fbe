package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

// logsCommand is `host logs`.
func logsCommand(ui *ui) *cobra.Command {
	var f clientFlags
	var key []string
	var id string
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs {ACTOR --key KEY | --id ID}",
		Short: "Print an actor's log",
		Long:  "Prints what is kept of an actor's log and, with --follow, every line that comes after it.",
		Args:  func(cmd *cobra.Command, args []string) error { return usageOf(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			c := client{f}
			if len(args) == 0 && id == "" {
				return usagef("which actor? Name it with its --key, or give its --id")
			}
			if id == "" {
				k, err := tenants.NewKey(key...)
				if err != nil {
					return &usageError{err}
				}
				if id, err = c.find(cmd.Context(), args[0], k); err != nil {
					return err
				}
			}
			path := "/actors/" + url.PathEscape(id) + "/logs"
			if !follow {
				var answer struct{ Lines []actors.LogLine }
				if err := c.do(cmd.Context(), http.MethodGet, path, url.Values{}, "", nil, &answer); err != nil {
					return err
				}
				for _, l := range answer.Lines {
					printLine(ui, l)
				}
				return nil
			}
			resp, err := c.open(cmd.Context(), http.MethodGet, path, url.Values{"follow": {"true"}}, "", nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			lines := bufio.NewScanner(resp.Body)
			lines.Buffer(nil, maxAnswer)
			for lines.Scan() {
				var l actors.LogLine
				if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &l) == nil && l.Seq > 0 {
					printLine(ui, l)
				}
			}
			return lines.Err()
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&key, "key", nil, "component of the actor's key; may be repeated")
	cmd.Flags().StringVar(&id, "id", "", "the actor's id, instead of name and key")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with lines that come later")
	noEnv(cmd, "key", "id", "follow")
	return cmd
}

func printLine(ui *ui, l actors.LogLine) {
	ui.print(fmt.Sprintf("%s %s %s: %s", l.Time.Format("15:04:05.000"), l.Level, l.Source, harmless(l.Text)), l)
}
