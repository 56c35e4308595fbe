package guest

import (
	"fmt"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
)

// Log writes lines to the actor's log, as fmt.Sprintf makes them. Lines are kept whether the turn
// succeeds or not. What a turn logs beyond abi.MaxLog bytes is cut. Print to standard output or
// standard error lands there too.
type Log struct{ host hostcall.Host }

// The levels of the operation log.
const (
	levelTrace = iota
	levelDebug
	levelInfo
	levelWarn
	levelError
)

// Tracef logs at the lowest level.
func (l Log) Tracef(format string, args ...any) { l.logf(levelTrace, format, args) }

// Debugf logs what helps to find a fault.
func (l Log) Debugf(format string, args ...any) { l.logf(levelDebug, format, args) }

// Infof logs what is worth knowing.
func (l Log) Infof(format string, args ...any) { l.logf(levelInfo, format, args) }

// Warnf logs what may be wrong.
func (l Log) Warnf(format string, args ...any) { l.logf(levelWarn, format, args) }

// Errorf logs what is wrong.
func (l Log) Errorf(format string, args ...any) { l.logf(levelError, format, args) }

// logf drops the host's error: a line that cannot be logged is not worth the turn.
func (l Log) logf(level int64, format string, args []any) {
	_ = l.host.Log(level, valid(fmt.Sprintf(format, args...)))
}
