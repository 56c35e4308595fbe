//go:build wasip1

// Command script is a test guest that does what its caller, or its own KV, tells it: any operation of the
// host, in any kind of turn.
//
// The action do takes a list of steps and returns a list of what they gave:
//
//	[[{"op":"kv_put","b":["key","value"]}, {"op":"kv_get","b":["key"]}]]  ->  [{"n":0}, {"n":5,"b":"value"}]
//
// The action run takes the key of a script in KV, nop does nothing, echo gives its arguments. A creation input that
// is a list of steps is what the creation does.
//
// b are the byte arguments, as text, n the numbers, each in the order of the operation. A failed operation
// gives {"n":-code,"error":"…"} and the script goes on. Steps that are no operation:
//
//	turn                 gives the turn's envelope, as JSON in b
//	envelope JSON        gives the envelope of a reply with this result, for the operation reply
//	result               reads the envelope in b of the step before: its status, result and error
//	user CODE MESSAGE    ends the turn with a user error
//	hidden MESSAGE       ends it with an error that is not for clients
//	host CODE            ends it with a failure of the host, as a guest does that passes one on
//	trap, loop, exit     end it badly
//	open                 ends it well, and keeps the request open
//	return JSON          ends it with this result
//	head JSON            sets the head of the answer to a raw request
//	bytes N              allocates N bytes
//	decode TEXT          decodes base64, for $LAST
//	pause N              waits N milliseconds inside the turn
//	remember NAME        counts NAME in guest memory, and gives the count
//	holds TEXT           counts the places in guest memory of what TEXT is with each byte one less
//	append KEY TEXT      adds a space and TEXT to the KV item KEY
//
// A byte argument $LAST stands for b of the step before, $ARGS, $CONTEXT and $CONN for the turn's arguments,
// context and connection id; a number -1 for the turn's request.
//
// Any other turn appends its envelope to KV under seen/NNNNNN, and
// then runs the script in KV under on/KIND/NAME or on/KIND, KIND being the number of its kind.
package main

//go:generate go run ./gen
