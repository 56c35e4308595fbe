// Package api is the network edge: routes, decoding, authentication, limits and errors of HTTP.
//
// It turns bytes into a tenants.Principal and a call of package actors, and the answer back into
// bytes in the shapes of Rivet's wire. What actors do is left to package actors, who may do it to
// package tenants. One table, routes, says everything about a route; the router, the 405s and the
// tests of isolation are made from it.
//
// One invariant rules the package: a handler runs only after the request's token was checked, has
// one of the route's rights, and speaks for the namespace that the handler will work in. What a
// handler names, it names within that namespace.
//
// A WebSocket is answered 101 before its token is checked, since a browser cannot read another answer; what its
// client sends is looked at only after the check.
//
// A request passes these steps, and each waits for the one before it:
//
//  1. edge: request id, prefix, CORS, preflights, deadlines, access log, recovery;
//  2. dispatch: path parameters, decoded once; method;
//  3. authenticate: token, right, namespace;
//  4. the handler, reading at most the route's body limit;
//  5. the reply, or fail, which gives each error its status and its public shape.
package api
