package actors

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// checkManifest says what is wrong with what a module says of itself, "" for nothing. Package tenants checks
// the names of actors.
func checkManifest(m *abi.Manifest) string {
	if len(m.Egress) > maxPatterns {
		return fmt.Sprintf("it names more than %d hosts", maxPatterns)
	}
	for name, a := range m.Actors {
		if why := checkActor(&a); why != "" {
			return fmt.Sprintf("actor %q: %s", clip(name), why)
		}
	}
	return ""
}

// Bounds of a manifest.
const (
	maxPatterns = 64 // hosts or origins
	maxNames    = 1000
)

func checkActor(a *abi.ActorManifest) string {
	if len(a.Actions) > maxNames || len(a.Events) > maxNames || len(a.Queues) > maxNames {
		return fmt.Sprintf("more than %d actions, events or queues", maxNames)
	}
	for name := range a.Actions {
		if !validLabel(name) {
			return "malformed action name"
		}
	}
	for name, q := range a.Queues {
		switch {
		case !validLabel(name):
			return "malformed queue name"
		case q.Batch < 0 || q.Batch > abi.MaxQueueBatch:
			return fmt.Sprintf("queue %q: a batch has at most %d messages", name, abi.MaxQueueBatch)
		}
	}
	for _, name := range a.Events {
		if !validLabel(name) {
			return "malformed event name"
		}
	}
	for i, h := range a.Hooks {
		if !slices.Contains(hooks, h) || slices.Contains(a.Hooks[:i], h) {
			return fmt.Sprintf("unknown or repeated hook %q", clip(string(h)))
		}
	}
	if !validKeyNames(a.Key) {
		return "a key has at most 16 components, each with a name"
	}
	if len(a.Origins) > maxPatterns {
		return fmt.Sprintf("more than %d origins", maxPatterns)
	}
	for _, o := range a.Origins {
		if !validOrigin(o) {
			return fmt.Sprintf("%q is no origin, such as https://example.com", clip(o))
		}
	}
	if len(a.Open) > abi.MaxOpenPaths {
		return fmt.Sprintf("more than %d open paths", abi.MaxOpenPaths)
	}
	for _, p := range a.Open {
		if !abi.ValidOpenPath(p) {
			return fmt.Sprintf("%q is no open path, such as /hooks/stripe or /hooks/*", clip(p))
		}
	}
	return checkOptions(&a.Options)
}

// validLabel reports whether s can be the name of an action, a queue or an event.
func validLabel(s string) bool { return s != "" && len(s) <= abi.MaxEventName && clip(s) == s }

func validOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.String() == u.Scheme+"://"+u.Host && strings.ToLower(s) == s
}

var hooks = []abi.Hook{
	abi.HookWake, abi.HookSleep, abi.HookDestroy, abi.HookConnect, abi.HookDisconnect, abi.HookRequest, abi.HookGone,
	abi.HookOpen, abi.HookMessage, abi.HookClose, abi.HookUpgrade, abi.HookSubscribe, abi.HookPublish,
}

// checkOptions holds options to their bounds: an option that would not be honoured must not be taken.
func checkOptions(o *abi.Options) string {
	const second, minute = 1000, 60 * 1000
	for _, b := range []struct {
		name      string
		value, at int64
	}{
		{"createVarsTimeout", o.CreateVarsTimeout, minute},
		{"createConnStateTimeout", o.CreateConnStateTimeout, minute},
		{"onBeforeConnectTimeout", o.OnBeforeConnectTimeout, minute},
		{"onConnectTimeout", o.OnConnectTimeout, minute},
		{"onMigrateTimeout", o.OnMigrateTimeout, minute},
		{"sleepGracePeriod", o.SleepGracePeriod, minute},
		{"stateSaveInterval", o.StateSaveInterval, 24 * 60 * minute},
		{"actionTimeout", o.ActionTimeout, abi.MaxTurnSeconds * second},
		{"connectionLivenessTimeout", o.ConnectionLivenessTimeout, minute},
		{"connectionLivenessInterval", o.ConnectionLivenessInterval, 10 * minute},
		{"sleepTimeout", o.SleepTimeout, 24 * 60 * minute},
		{"maxQueueSize", int64(o.MaxQueueSize), 10_000},
		{"maxQueueMessageSize", int64(o.MaxQueueMessageSize), 128 << 10},
		{"maxSchedules", int64(o.MaxSchedules), abi.MaxSchedules},
		{"maxMessageSize", int64(o.MaxMessageSize), 32 << 20},
	} {
		if b.value < 0 || b.value > b.at {
			return fmt.Sprintf("the option %s is 0 to %d", b.name, b.at)
		}
	}
	if n := o.ConnectionLivenessInterval; n > 0 && n < second { // each is work for the host
		return "the option connectionLivenessInterval is 0, or 1000 and more"
	}
	if len(o.Name) > 256 || len(o.Icon) > 256 || clip(o.Name) != o.Name || clip(o.Icon) != o.Icon {
		return "name and icon have at most 256 bytes, without control characters"
	}
	return ""
}

// validKeyNames reports whether the names of a key's components are names.
func validKeyNames(names []string) bool {
	return len(names) <= 16 && !slices.ContainsFunc(names, func(n string) bool { return !tenants.ValidName(n) })
}
