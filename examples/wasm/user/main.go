// User is the pattern "actor per entity": one actor for each user, whose key is the user's name. All that
// is known of one user is in one place and changes one turn at a time, and users do not wait for each
// other.
//
// Use it for whatever has an identity and a life of its own: users, documents, devices, orders. An entity
// that nobody asks for sleeps and costs only its bytes on disk; waking it takes less than a millisecond.
package main

import (
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// Profile is a user's state. Whom the user follows, and who follows, grows, and so is in the KV store.
type Profile struct {
	Name      string    `json:"name"`
	Since     time.Time `json:"since"`
	Follows   int       `json:"follows"`
	Followers int       `json:"followers"`
}

var _ = guest.Actor("user", guest.Def[Profile]{
	Key: []string{"user"},
	Create: func(c *guest.Ctx[Profile]) (Profile, error) {
		return Profile{Name: c.Key()[0], Since: c.Now()}, nil
	},
	Actions: guest.Actions{
		"profile":   guest.Action0(func(c *guest.Ctx[Profile]) (Profile, error) { return c.State, nil }),
		"rename":    guest.Do(rename),
		"follow":    guest.Do(follow),
		"followed":  guest.Do(followed),
		"followers": guest.Action2(followers),
	},
	Events: []string{"profile"},
})

// mine refuses everybody but the user: the identity that the host has verified is the actor's key.
func mine(c *guest.Ctx[Profile]) error {
	if c.Caller() != c.Key()[0] {
		return guest.UserError("not_yours", "this is somebody else's profile")
	}
	return nil
}

func rename(c *guest.Ctx[Profile], name string) error {
	if err := mine(c); err != nil {
		return err
	}
	if name == "" || len(name) > 100 {
		return guest.UserError("bad_name", "a name has between 1 and 100 bytes")
	}
	c.State.Name = name
	return c.Broadcast("profile", c.State)
}

// follow changes two users. Each actor writes only what is its own; the other learns of it by a send,
// which leaves with this turn, exactly once.
func follow(c *guest.Ctx[Profile], user string) error {
	if err := mine(c); err != nil {
		return err
	}
	_, known, err := c.KV().Get("follows/" + user)
	if err != nil || known {
		return err
	}
	if err := c.KV().Put("follows/"+user, nil); err != nil {
		return err
	}
	c.State.Follows++
	return c.Send(guest.To("user", user).OrCreate(nil), "followed", c.Key()[0])
}

// followed is for other users' actors, not for clients, who would say what they like.
func followed(c *guest.Ctx[Profile], by string) error {
	if c.Sender() == "" {
		return guest.UserError("not_for_clients", "call follow of your own actor")
	}
	c.State.Followers++
	return c.KV().Put("followers/"+by, nil)
}

// followers returns at most limit followers in order of their names, those behind a name if it is given.
func followers(c *guest.Ctx[Profile], limit int, after *string) ([]string, error) {
	if limit < 1 || limit > 1000 {
		return nil, guest.UserError("bad_limit", "limit is between 1 and 1000")
	}
	const prefix = "followers/"
	r := guest.Range{Prefix: prefix, KeysOnly: true, Limit: limit}
	if after != nil {
		r.After = prefix + *after
	}
	names := []string{}
	for item, err := range c.KV().Scan(r) {
		if err != nil {
			return nil, err
		}
		names = append(names, item.Key[len(prefix):])
	}
	return names, nil
}

func main() {}
