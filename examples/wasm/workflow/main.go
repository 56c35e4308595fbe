// Workflow is an order on its way from the warehouse to the customer: it takes weeks, calls others that are
// down at times, waits for people, and undoes what it did if it cannot go on. Package flow makes a durable
// workflow of a plain function; read that for how.
//
// Use it for work with steps that must all be done, once, or be undone. Each step costs a turn here, one in its
// service, and a line in the state; the journal is encoded in each turn, so keep workflows below a few hundred
// steps, and let a long one begin others. If a single task will do, Start alone is less.
package main

import (
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"

	"github.com/vivarium-run/vivarium/examples/wasm/workflow/flow"
	_ "github.com/vivarium-run/vivarium/examples/wasm/workflow/services" // the actor "service"
)

// Order is what the workflow is begun with.
type Order struct {
	Item  string `json:"item"`
	Price string `json:"price"`
}

const day = 24 * time.Hour

var _ = guest.Actor("order", flow.Def(fulfil))

func fulfil(w *flow.Run) error {
	var o Order
	if err := w.Input(&o); err != nil {
		return err
	}
	if err := w.Call("reserve", service("warehouse"), "apply", "revert", o.Item, nil); err != nil {
		return err
	}
	if err := w.Call("charge", service("bank"), "apply", "revert", o.Price, nil); err != nil {
		return err
	}
	// Customers may think it over.
	if err := w.Sleep("think", 3*day); err != nil {
		return err
	}
	var address string
	if err := w.Wait("address", 14*day, &address); err != nil {
		return err
	}
	// Nothing takes a parcel back.
	return w.Call("ship", service("carrier"), "apply", "", o.Item+" to "+address, nil)
}

func service(name string) guest.Ref { return guest.To("service", name).OrCreate(nil) }

func main() {}
