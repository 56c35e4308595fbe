package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"gopkg.in/natefinch/lumberjack.v2"
)

// auditFlags say where what is managed is written down.
type auditFlags struct {
	file  string
	size  byteSize
	files int
}

// Bounds of an audit log.
const (
	minAuditSize     = 1 << 20
	defaultAuditSize = 100 << 20
	maxAuditFiles    = 1000
)

func (f *auditFlags) add(cmd *cobra.Command) {
	f.size = defaultAuditSize
	cmd.Flags().StringVar(&f.file, "audit-log", "", "file to which each thing is written that operators, admins and deployers do")
	cmd.Flags().Var(&f.size, "audit-log-size", "size at which the audit log goes on in a new file")
	cmd.Flags().IntVar(&f.files, "audit-log-files", 10, "old audit logs to keep")
}

// open has a node write to the file, if one is named. On SIGHUP the file is opened again, for those who move it away. The
// function that it returns ends that.
func (f *auditFlags) open(c *nodeConfig) (end func(), err error) {
	if f.file == "" {
		return func() {}, nil
	}
	switch {
	case f.size < minAuditSize || f.size%minAuditSize != 0:
		return nil, usagef("--audit-log-size: whole MiB, one at the least")
	case f.files < 1 || f.files > maxAuditFiles:
		return nil, usagef("--audit-log-files: 1 to %d", maxAuditFiles)
	}
	if err := checkAuditFile(f.file, c.data); err != nil {
		return nil, err
	}
	file := &lumberjack.Logger{Filename: f.file, MaxSize: int(f.size >> 20), MaxBackups: f.files}
	c.audit = file
	hup, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hup, syscall.SIGHUP)
	go func() { // ends with end
		defer close(done)
		for range hup {
			if err := file.Close(); err != nil { // the next line opens it
				c.log.Error("the audit log cannot be closed", "error", err)
			}
		}
	}()
	return func() {
		signal.Stop(hup)
		close(hup)
		<-done
		file.Close() // every line was written on its own
	}, nil
}

// checkAuditFile makes the file if it is missing, and refuses one that others may read, or that is none. Nor may it lie in the
// data folder, which backups and guests' uploads are about.
func checkAuditFile(name, data string) error {
	if inside(data, name) {
		return usagef("--audit-log: %s lies in the data folder", name)
	}
	info, err := os.Lstat(name) // a pipe would keep us waiting
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("--audit-log: %s is no file", name)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("--audit-log: others can read or write %s: chmod 600 it", name)
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("--audit-log: %w", err)
	}
	return f.Close()
}
