// Package wire holds the codecs of Rivet's protocol: one set of messages, three encodings.
//
// Each has two halves: Encoding is the host's, ClientEncoding that of a client in Go. It knows bytes and nothing of sockets, requests and actors. Guests know one form of a value only, JSON with
// Rivet's tags for what JSON lacks, so each codec translates between its bytes and that:
//
//   - json carries values as they are, see EscapeTags;
//   - cbor has the same names and lists as JSON, with native integers for ids;
//   - bare, the default of Rivet's clients, has frames with a version before them, and CBOR in their fields.
//
// One invariant: a decoder allocates no more than a small multiple of the bytes that it was given, and what it gives
// back is valid.
package wire
