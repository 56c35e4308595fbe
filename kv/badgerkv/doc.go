// Package badgerkv keeps kv's spaces in an embedded Badger database: the store of one machine.
//
// It owns the layout of rows, the committer that merges many spaces' deltas into one synced
// transaction, and the removal of what destroyed spaces leave behind. It is the only package that
// imports Badger, and no error of Badger's leaves it.
//
// Its one invariant: done(nil) is called only after the transaction that holds the delta was
// synced, and a read sees only such transactions. A group of deltas runs in this order, and each
// step waits for the one before it:
//
//  1. take jobs from the queue, a fair share for each class;
//  2. judge each in order: lease, number, name. From here on an accepted delta counts as written:
//     a Claim returns a position that includes it;
//  3. build one transaction and commit it, synced. If that fails the store stops for good;
//  4. let reads see it, forget entries that are done;
//  5. call done, on a goroutine of its own, while the next group is gathered.
//
// Badger runs in managed mode: we hand out its timestamps. In its ordinary mode a read that begins
// while a transaction is being synced waits for that sync, which would put a sync into every wake
// and every read of a busy host. Ours read at the newest synced timestamp and wait for nothing.
package badgerkv
