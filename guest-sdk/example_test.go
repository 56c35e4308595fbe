package guest_test

import (
	"fmt"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

// Account is the state of the actor account.
type Account struct {
	Cents int `json:"cents"`
}

var _ = guest.Actor("account", guest.Def[Account]{
	Actions: guest.Actions{
		"pay": guest.Action(func(c *guest.Ctx[Account], cents int) (int, error) {
			c.State.Cents -= cents
			if c.State.Cents < 0 {
				return 0, guest.UserError("insufficient_funds", "there is not enough money")
			}
			return c.State.Cents, c.Broadcast("paid", cents)
		}),
		"receive": guest.Do(func(c *guest.Ctx[Account], cents int) error {
			c.State.Cents += cents
			return nil
		}),
	},
})

// An action may change the state first and refuse later: a failed action leaves nothing behind.
func ExampleActor() {
	account := guesttest.New(new(testing.T), "account", guesttest.Options{Key: []string{"ann"}})
	fmt.Println(account.Call(nil, "receive", 500))

	var left int
	fmt.Println(account.Call(&left, "pay", 200), left)
	fmt.Println(account.Call(&left, "pay", 400), left)
	fmt.Println(account.Call(&left, "pay", "all"))

	var a Account
	account.State(&a)
	fmt.Println(a.Cents, account.Events())
	// Output:
	// <nil>
	// <nil> 300
	// insufficient_funds: there is not enough money 300
	// invalid_arguments: pay: argument 1: want int, got string
	// 300 [{paid [200]}]
}
