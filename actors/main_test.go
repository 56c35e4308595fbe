package actors_test

import "time"

// shortTurn is a turn time for guests that never end. It must leave room for the start of a Go
// guest on a busy machine.
const shortTurn = 3 * time.Second
