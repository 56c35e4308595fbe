package guest

import (
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Options are an actor's options, with Rivet's names. Zero means the default; a value above its bound
// refuses the upload.
type Options struct {
	Name string // for people
	Icon string

	CreateVarsTimeout          time.Duration
	CreateConnStateTimeout     time.Duration
	OnBeforeConnectTimeout     time.Duration
	OnConnectTimeout           time.Duration
	OnMigrateTimeout           time.Duration
	SleepGracePeriod           time.Duration
	StateSaveInterval          time.Duration // accepted: each turn saves
	ActionTimeout              time.Duration
	ConnectionLivenessTimeout  time.Duration
	ConnectionLivenessInterval time.Duration
	SleepTimeout               time.Duration
	NoSleep                    bool
	MaxQueueSize               int // messages
	MaxQueueMessageSize        int // bytes
	MaxSchedules               int
	CanHibernateWebSocket      bool // accepted: every socket outlives sleep
	MaxMessageSize             int  // bytes of a socket's message
}

// abi returns o as the manifest has it.
func (o *Options) abi() abi.Options {
	return abi.Options{
		Name:                       o.Name,
		Icon:                       o.Icon,
		CreateVarsTimeout:          o.CreateVarsTimeout.Milliseconds(),
		CreateConnStateTimeout:     o.CreateConnStateTimeout.Milliseconds(),
		OnBeforeConnectTimeout:     o.OnBeforeConnectTimeout.Milliseconds(),
		OnConnectTimeout:           o.OnConnectTimeout.Milliseconds(),
		OnMigrateTimeout:           o.OnMigrateTimeout.Milliseconds(),
		SleepGracePeriod:           o.SleepGracePeriod.Milliseconds(),
		StateSaveInterval:          o.StateSaveInterval.Milliseconds(),
		ActionTimeout:              o.ActionTimeout.Milliseconds(),
		ConnectionLivenessTimeout:  o.ConnectionLivenessTimeout.Milliseconds(),
		ConnectionLivenessInterval: o.ConnectionLivenessInterval.Milliseconds(),
		SleepTimeout:               o.SleepTimeout.Milliseconds(),
		NoSleep:                    o.NoSleep,
		MaxQueueSize:               o.MaxQueueSize,
		MaxQueueMessageSize:        o.MaxQueueMessageSize,
		MaxSchedules:               o.MaxSchedules,
		CanHibernateWebSocket:      o.CanHibernateWebSocket,
		MaxMessageSize:             o.MaxMessageSize,
	}
}
