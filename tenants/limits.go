package tenants

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Limits narrow a token below its role. What is nil or false does not limit; an empty list and a zero allow
// nothing. Limits are immutable, and a nil *Limits limits nothing.
type Limits struct {
	Actors  []string `json:"actors,omitzero"`  // names of the actors that it can reach
	Keys    []string `json:"keys,omitzero"`    // actor keys in canonical form; whole components that a key begins with
	Actions []string `json:"actions,omitzero"` // ways into an actor, see Door
	Modules []string `json:"modules,omitzero"` // names of the modules that it sees and changes

	UploadBytes *int64 `json:"upload_bytes,omitzero"` // of one module
	Uploads     *int   `json:"uploads,omitzero"`      // with this token and all that derive from it
	NoLive      bool   `json:"no_live,omitzero"`      // it changes no live version, so it deletes none

	// Origins make a token publishable: it may stand in the pages of these web origins, and works from no others.
	Origins []string `json:"origins,omitzero"`
	Rate    *int     `json:"rate,omitzero"` // requests a minute from one address; DefaultRate if it is nil

	// Counter counts Uploads if it is not the token's own: that of the token which the limit came from.
	Counter *Counter `json:"counter,omitzero"`
}

// Counter names a count of uploads, by the id of a token, which is kept until that token ends.
type Counter struct {
	ID    string `json:"id"`
	Until int64  `json:"until"` // seconds since 1970
}

// Bounds on limits.
const (
	maxLimitEntries = 64      // of a list
	maxLimitEntry   = 1 << 10 // bytes
	maxUploads      = 1_000_000
	maxTokenID      = 128 // bytes
)

var limitNames = []string{"actors", "keys", "actions", "modules", "upload_bytes", "uploads", "no_live", "origins", "rate", "counter"}

// ParseLimits reads limits as JSON, strictly: one that this host does not know would be none. What is wrong is said in
// words for whoever wrote it.
func ParseLimits(doc json.RawMessage) (*Limits, error) {
	members, err := strictObject(doc, limitNames...)
	if err != nil {
		return nil, err
	}
	for name, value := range members {
		if !slices.Contains(limitNames, name) || string(value) == "null" {
			return nil, fmt.Errorf("the limit %.32q is unknown or null", name)
		}
	}
	var l Limits
	if err := json.Unmarshal(doc, &l); err != nil {
		return nil, errors.New("a limit has the wrong type")
	}
	return &l, l.check()
}

// check returns what is wrong with l, in words for whoever wrote it.
func (l *Limits) check() error {
	for _, list := range []struct {
		name    string
		entries []string
		valid   func(string) bool
	}{
		{"actors", l.Actors, ValidName},
		{"keys", l.Keys, func(s string) bool { _, err := ParseKey(s); return err == nil }},
		{"actions", l.Actions, func(s string) bool { _, ok := parseDoor(s); return ok }},
		{"modules", l.Modules, ValidName},
	} {
		if len(list.entries) > maxLimitEntries {
			return fmt.Errorf("the limit %s has more than %d entries", list.name, maxLimitEntries)
		}
		for _, e := range list.entries {
			if len(e) > maxLimitEntry || !list.valid(e) {
				return fmt.Errorf("the limit %s has a malformed entry: %.64q", list.name, e)
			}
		}
	}
	if l.UploadBytes != nil && *l.UploadBytes < 0 || l.Uploads != nil && (*l.Uploads < 0 || *l.Uploads > maxUploads) {
		return errors.New("a limit of uploads is out of range")
	}
	if err := l.checkOrigins(); err != nil {
		return err
	}
	if c := l.Counter; c != nil && (l.Uploads == nil || !validTokenID(c.ID) || c.Until < 0 || c.Until > maxTime.Unix()) {
		return errors.New("the counter of uploads is malformed")
	}
	return nil
}

// Rates of publishable tokens, in requests a minute.
const (
	DefaultRate = 120
	maxRate     = 6_000
	maxOrigins  = 16
)

// checkOrigins returns what is wrong with l as limits of a publishable token, or of one that is none. Such a token is
// everybody's, so it must name what it reaches.
func (l *Limits) checkOrigins() error {
	switch {
	case l.Origins == nil && l.Rate == nil:
		return nil
	case l.Origins == nil:
		return errors.New("the limit rate is for tokens with origins")
	case len(l.Origins) < 1 || len(l.Origins) > maxOrigins:
		return fmt.Errorf("a publishable token has 1 to %d origins", maxOrigins)
	case len(l.Actors) == 0:
		return errors.New("a publishable token names its actors")
	case l.Rate != nil && (*l.Rate < 1 || *l.Rate > maxRate):
		return fmt.Errorf("a rate is 1 to %d requests a minute", maxRate)
	}
	for _, o := range l.Origins {
		if !validOrigin(o) {
			return fmt.Errorf("the limit origins has a malformed entry: %.64q", o)
		}
	}
	return nil
}

// validOrigin reports whether s is a web origin as browsers write it, https or on loopback. "null", which is any
// sandboxed page's, is none.
func validOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxLimitEntry || u.Host == "" || u.Scheme+"://"+u.Host != s || strings.ToLower(s) != s || strings.Contains(s, "*") {
		return false
	}
	loopback := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	return u.Hostname() != "" && (u.Scheme == "https" && u.Port() != "443" || u.Scheme == "http" && loopback && u.Port() != "80")
}

// validTokenID reports whether s can be the id of a token that something is recorded for.
func validTokenID(s string) bool { return s != "" && len(s) <= maxTokenID && plainText(s) }

// Door is a way into an actor: an action or a queue by name, connections, raw requests or raw sockets.
// In a limit an entry without a colon is an action; others are "action:name", "queue:name", "connect:", "request:"
// and "websocket:". Events come with a connection; an action that is called over one needs its own entry, too.
type Door string

// The doors without a name.
const (
	DoorConnect   Door = "connect:"
	DoorRequest   Door = "request:"
	DoorWebSocket Door = "websocket:"
)

// ActionDoor is the door of an action.
func ActionDoor(name string) Door { return Door("action:" + name) }

// QueueDoor is the door of a queue.
func QueueDoor(name string) Door { return Door("queue:" + name) }

// parseDoor reads an entry of a limit.
func parseDoor(s string) (Door, bool) {
	kind, name, named := strings.Cut(s, ":")
	switch {
	case !named:
		return ActionDoor(s), s != ""
	case kind == "action" || kind == "queue":
		return Door(s), name != ""
	}
	d := Door(s)
	return d, d == DoorConnect || d == DoorRequest || d == DoorWebSocket
}

// knows reports whether an actor name is within l.
func (l *Limits) knows(actor string) bool { return l == nil || allows(l.Actors, actor) }

// reaches reports whether an address is within l.
func (l *Limits) reaches(a Address) bool {
	return l.knows(a.Name) && (l == nil || l.Keys == nil ||
		slices.ContainsFunc(l.Keys, func(prefix string) bool { return begins(a.Key, prefix) }))
}

// begins reports whether the components of k begin with those of a canonical key. Both are escaped alike, so a slash
// is always between two components.
func begins(k Key, prefix string) bool {
	return prefix == string(EmptyKey) || string(k) == prefix || strings.HasPrefix(string(k), prefix+"/")
}

func (l *Limits) enters(d Door) bool {
	return l == nil || l.Actions == nil || slices.ContainsFunc(l.Actions, func(s string) bool {
		own, _ := parseDoor(s)
		return own == d
	})
}

func (l *Limits) manages(module string) bool { return l == nil || allows(l.Modules, module) }

func allows(list []string, name string) bool { return list == nil || slices.Contains(list, name) }
