// Package meter rewrites modules so that they count what they use.
//
// It owns what is added to a module: gas that is charged for each straight line of code before it
// runs and checked where code can repeat, the bytes of stack, the caps of memory and tables, and the
// exports by which the host reads and sets an instance's state. It leaves what happens when gas is
// out, and how much there is, to the host. It takes only modules that package validate has accepted.
//
// Its one invariant: but for what the counters and caps stop, a rewritten module does what the module
// did, and the gas of a run depends only on what it did, never on the engine or the machine.
package meter
