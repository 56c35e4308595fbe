// Command host runs Vivarium: other people's actors, from Wasm modules that they upload.
//
// It owns flags, signals and the order in which the parts start and stop; everything else it
// leaves to the packages that it joins. Its one invariant: the process that was started is the one
// that listens, and it exits non-zero when anything that was acknowledged may be in doubt.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/logtext"
	"github.com/vivarium-run/vivarium/sandbox"
)

func main() {
	sandbox.MaybeWorker()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ui := &ui{out: stdout, err: stderr}
	cmd := rootCommand(ui)
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.Execute()
	if err != nil {
		ui.fail(err)
	}
	return exitCode(err)
}

// usageError is a wrong command line.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func rootCommand(ui *ui) *cobra.Command {
	root := &cobra.Command{
		Use:   "host",
		Short: "Vivarium: a host for actors that other people wrote, each in a sandbox of its own",
		Long: "Vivarium runs uploaded WebAssembly modules as durable actors.\n\n" +
			"Begin with `host dev`, which needs nothing and runs an example.\n" +
			"Every flag is also an environment variable: --data is VIVARIUM_DATA, --key-file is VIVARIUM_KEY_FILE.",
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return flagsFromEnv(cmd) },
	}
	root.PersistentFlags().BoolVar(&ui.json, "json", false, "print JSON, one object a line")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(devCommand(ui), serveCommand(ui), tokenCommand(ui), keyCommand(ui), deployCommand(ui), secretCommand(ui), backupCommand(ui), exportCommand(ui), importCommand(ui), restoreCommand(ui), verifyCommand(ui), callCommand(ui), listenCommand(ui), logsCommand(ui), typesCommand(ui), sdkCommand(ui), versionCommand(ui))
	return root
}

// ui prints for people or, with --json, for programs.
type ui struct {
	out, err io.Writer
	json     bool
}

// print writes a line: text for people, v as JSON for programs.
func (u *ui) print(text string, v any) {
	if !u.json {
		fmt.Fprintln(u.out, text)
		return
	}
	line, err := json.Marshal(v)
	if err != nil {
		line = fmt.Appendf(nil, `{"error":%q}`, err.Error())
	}
	fmt.Fprintf(u.out, "%s\n", logtext.JSON(line))
}

// fail prints what ended the command.
func (u *ui) fail(err error) {
	if u.json {
		var public *abi.Error
		var remote *client.Error
		var local *fault
		var v any = map[string]any{"message": hint(err)}
		switch {
		case errors.As(err, &local):
			v = local
		case errors.As(err, &remote):
			v = remote
		case errors.As(err, &public):
			v = map[string]any{"message": public.PublicMessage(), "group": public.Code.Group(), "code": public.PublicName(), "metadata": public.Metadata}
		}
		line, _ := json.Marshal(v) // what was decoded, or made of text
		fmt.Fprintf(u.err, "%s\n", logtext.JSON(line))
		return
	}
	fmt.Fprintln(u.err, "host: "+describe(err))
}

// describe is an error for people: what a client would see of it, without our groups, and for a
// module that fails what it printed.
func describe(err error) string {
	var public *abi.Error
	if !errors.As(err, &public) {
		return hint(err)
	}
	s := public.PublicMessage() + " (" + public.Code.Group() + "/" + public.PublicName() + ")"
	if m, ok := public.Metadata.(map[string]any); ok && m["output"] != nil {
		s += fmt.Sprintf("\nit printed:\n%s", indent(fmt.Sprint(m["output"])))
	}
	var trap *sandbox.TrapError
	if errors.As(err, &trap) && trap.Text != "" {
		s += "\n" + indent(trap.Text)
	}
	return s
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ")
}
