package badgerkv

import (
	"fmt"
	"log/slog"
	"strings"
)

// engineLog passes Badger's lines on. Its "info" is of no use to an operator and becomes debug.
type engineLog struct {
	log *slog.Logger
}

func (l engineLog) Errorf(format string, args ...any)   { l.log.Error(line(format, args)) }
func (l engineLog) Warningf(format string, args ...any) { l.log.Warn(line(format, args)) }
func (l engineLog) Infof(format string, args ...any)    { l.log.Debug(line(format, args)) }

// Debugf drops the line: some are written for each commit, and would be built before slog could
// refuse them.
func (l engineLog) Debugf(string, ...any) {}

func line(format string, args []any) string {
	return "badger: " + strings.TrimSpace(fmt.Sprintf(format, args...))
}
