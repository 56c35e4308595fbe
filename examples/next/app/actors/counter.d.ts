// Made by `host types` from version 1 of the module "counter". Changes are lost when it is made again.

import type { Registry as RivetRegistry } from "rivetkit";

/** The type parameter of createClient. */
export type Registry = RivetRegistry<Actors>;

/** The actors, as Rivet's client reads them. */
export type Actors = {
  counter: {
    readonly config: {
      actions: {
        fail: (c: unknown, ...args: []) => void;
        get: (c: unknown, ...args: []) => number;
        increment: (c: unknown, ...args: [number]) => number;
        nop: (c: unknown, ...args: []) => void;
      };
      events: {
        count: { readonly _eventType?: [any?, any?, any?, any?, any?, any?, any?, any?] };
      };
      queues: {
      };
    };
  };
};

/** What each actor is made from: createWithInput and input. */
export type Inputs = {
  counter: Input;
};

/** What each actor takes from a connection. */
export type Params = {
  counter: any;
};

export type Input = { start: number; };
