// Made by `host types` from version 1 of the module "chatroom". Changes are lost when it is made again.

import type { Registry as RivetRegistry } from "rivetkit";

/** The type parameter of createClient. */
export type Registry = RivetRegistry<Actors>;

/** The actors, as Rivet's client reads them. */
export type Actors = {
  chatroom: {
    readonly config: {
      actions: {
        history: (c: unknown, ...args: [number, (number | null)?]) => Array<Message> | null;
        post: (c: unknown, ...args: [string, string]) => Message;
      };
      events: {
        message: { readonly _eventType?: [any?, any?, any?, any?, any?, any?, any?, any?] };
      };
      queues: {
      };
    };
  };
};

/** What each actor is made from: createWithInput and input. */
export type Inputs = {
  chatroom: any;
};

/** What each actor takes from a connection. */
export type Params = {
  chatroom: any;
};

export type Message = { number: number; sentAt: number; text: string; user: string; };
