package main

import (
	"errors"
	"fmt"
)

// fault is a failure of a command on this machine, with a code that scripts can rely on.
type fault struct {
	Code string `json:"code"`
	Text string `json:"message"`
	exit int    // zero is 1
}

func (f *fault) Error() string { return f.Text + " (" + f.Code + ")" }

func faultf(code, format string, args ...any) error {
	return &fault{Code: code, Text: fmt.Sprintf(format, args...)}
}

// exitCode returns that of a command that ended with err: 0, 1 for a failure, 2 for a wrong command line, 3 for a
// data folder that this program cannot use.
func exitCode(err error) int {
	var usage *usageError
	var f *fault
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	case errors.As(err, &f) && f.exit != 0:
		return f.exit
	}
	return 1
}
