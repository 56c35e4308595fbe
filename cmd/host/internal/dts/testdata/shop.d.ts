// Made by `host types` from version 3 of the module "shop". Changes are lost when it is made again.

import type { Registry as RivetRegistry } from "rivetkit";

/** The type parameter of createClient. */
export type Registry = RivetRegistry<Actors>;

/** The actors, as Rivet's client reads them. */
export type Actors = {
  "chat-room": {
    readonly config: {
      actions: {
        list: (c: unknown, ...args: []) => Array<Message>;
        post: (c: unknown, ...args: [Message2]) => Message2;
        tree: (c: unknown, ...args: Array<string>) => { kids?: Array<ChatRoomTreeResult>; };
      };
      events: {
      };
      queues: {
        jobs: { readonly _queueMessage?: { n: number; }; readonly _queueComplete?: string };
      };
    };
  };
  counter: {
    readonly config: {
      actions: {
        get: (c: unknown, ...args: []) => number;
        increment: (c: unknown, ...args: [number]) => number;
        reset: (c: unknown, ...args: [(number | null)?]) => void;
        untyped: (c: unknown, ...args: any[]) => any;
      };
      events: {
        count: { readonly _eventType?: [number, string] };
        untyped: { readonly _eventType?: [any?, any?, any?, any?, any?, any?, any?, any?] };
      };
      queues: {
      };
    };
  };
};

/** What each actor is made from: createWithInput and input. */
export type Inputs = {
  "chat-room": any;
  counter: Input;
};

/** What each actor takes from a connection. */
export type Params = {
  "chat-room": { name: string; };
  counter: any;
};

export type ChatRoomTreeResult = { kids?: Array<ChatRoomTreeResult>; };

export type Input = { start?: number; };

export type Message = { id: string; };

/** What somebody said. */
export type Message2 = { kind?: "plain" | "loud" | 3 | null; meta?: { [key: string]: number }; replies?: (Array<Message2 | null>) | null; /** as it was typed */ text: string; };
