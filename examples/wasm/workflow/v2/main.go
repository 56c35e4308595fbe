// Workflow v2 insures parcels before they are shipped, and says thank you. Orders that version 1 began go on
// with it from where they are. See version 1 for the idea.
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
	var policy string
	if err := w.Call("insure", service("insurer"), "apply", "revert", o.Price, &policy); err != nil {
		return err
	}
	// Nothing takes a parcel back.
	if err := w.Call("ship", service("carrier"), "apply", "", o.Item+" to "+address, nil); err != nil {
		return err
	}
	return w.Call("thank", service("mail"), "apply", "", "thanks, with "+policy, nil)
}

func service(name string) guest.Ref { return guest.To("service", name).OrCreate(nil) }

func main() {}
