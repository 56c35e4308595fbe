// Sql keeps a ledger in an SQL database outside of the host: one account an actor, its entries in a table that other
// programs may query. The database is libSQL's (Turso, sqld) or any that speaks its HTTP API, Hrana over HTTP; the
// token for it is a secret that the guest names and never sees.
//
// Use it for data that is shared with what is no actor, or that is asked in ways of which SQL is the shortest. What
// belongs to one actor is faster and simpler in its state and KV. A query is a task: while it runs the actor serves
// others. A task may run twice, after a restart or a lost answer, so each entry has an id of its own that the table
// takes once.
package main

import (
	"fmt"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is what the actor knows without the database.
type State struct {
	Last    int `json:"last"`    // number of the newest entry
	Balance int `json:"balance"` // as the database said last
}

// Asked is a pipeline under way.
type Asked struct {
	Req      guest.OpenRequest `json:"req"`
	Pipeline []Statement       `json:"pipeline"`
	Attempt  int               `json:"attempt"`
}

type ctx = guest.Ctx[State]

var _ = guest.Actor("account", guest.Def[State]{
	Key:    []string{"name"},
	Egress: []string{"*"}, // the database's host, which the namespace grants
	Actions: guest.Actions{
		"book":    guest.Do2(book),
		"find":    guest.Do(find),
		"balance": guest.Action0(func(c *ctx) (int, error) { return c.State.Balance, nil }),
	},
	Tasks: guest.Tasks{"answer": guest.Task(answer), "again": guest.Task(again)},
})

const (
	table  = `CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, account TEXT NOT NULL, amount INTEGER NOT NULL, memo TEXT NOT NULL)`
	insert = `INSERT INTO entries (id, account, amount, memo) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`
	search = `SELECT amount, memo FROM entries WHERE account = ? AND instr(memo, ?) ORDER BY id LIMIT 100`
	total  = `SELECT coalesce(sum(amount), 0) FROM entries WHERE account = ?`
)

// book adds an entry and answers with the balance. The id is this turn's: it is saved with the task, so whenever the
// task runs again it asks for the same entry.
func book(c *ctx, amount int, memo string) error {
	c.State.Last++
	id := fmt.Sprintf("%s/%08d", c.ID(), c.State.Last)
	account := c.Key()[0]
	return ask(c, Statement{SQL: table}, statement(insert, id, account, amount, memo), statement(total, account))
}

// find answers with the entries that have a text in their memo.
func find(c *ctx, text string) error {
	return ask(c, Statement{SQL: table}, statement(search, c.Key()[0], text))
}

// ask begins a pipeline, of which the last statement's rows are the answer to the client.
func ask(c *ctx, pipeline ...Statement) error {
	return send(c, Asked{Req: c.KeepOpen(), Pipeline: pipeline, Attempt: 1})
}

func send(c *ctx, a Asked) error {
	url, ok := c.Config("url")
	if !ok {
		return c.ReplyError(a.Req, guest.UserError("no_database", "the module's config has no url"))
	}
	f := guest.Fetch{
		URL:     url + "/v2/pipeline",
		Secrets: map[string]string{"authorization": "Bearer {secret:DB_TOKEN}"},
		Timeout: 10 * time.Second,
	}
	_, err := c.Start("answer", f.WithJSON(request(a.Pipeline)), a)
	return err
}

const attempts = 5

// answer takes what the database said. What may go well later is tried again, with the same ids; what it refuses is
// told to the client.
func answer(c *ctx, a Asked, r *guest.Result) error {
	rows, later, err := results(r)
	switch {
	case err != nil && later && a.Attempt < attempts:
		c.Log().Warnf("attempt %d: %v", a.Attempt, err)
		wait := time.Second << (2 * (a.Attempt - 1))
		a.Attempt++
		_, err := c.Start("again", guest.TimerTask(wait), a)
		return err
	case err != nil:
		return reply(c, a.Req, nil, guest.UserError("database", err.Error()))
	}
	last := a.Pipeline[len(a.Pipeline)-1]
	if last.SQL != total {
		return reply(c, a.Req, rows, nil)
	}
	balance, err := integer(rows)
	if err != nil {
		return reply(c, a.Req, nil, guest.UserError("database", err.Error()))
	}
	c.State.Balance = balance
	return reply(c, a.Req, balance, nil)
}

func again(c *ctx, a Asked, _ *guest.Result) error { return send(c, a) }

// reply answers the client, if it still waits: the entry is there in any case.
func reply(c *ctx, req guest.OpenRequest, v any, refused error) error {
	switch {
	case !c.RequestOpen(req):
		return nil
	case refused != nil:
		return c.ReplyError(req, refused)
	}
	return c.Reply(req, v)
}

func main() {}
