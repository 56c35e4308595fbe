// Made by `host types` from version 3 of the module "hostile". Changes are lost when it is made again.

import type { Registry as RivetRegistry } from "rivetkit";

/** The type parameter of createClient. */
export type Registry = RivetRegistry<Actors>;

/** The actors, as Rivet's client reads them. */
export type Actors = {
  class: {
    readonly config: {
      actions: {
        __proto__: (c: unknown, ...args: []) => any;
        "a\"; } }; export const evil = process.exit(); type X = { \"": (c: unknown, ...args: []) => any;
        constructor: (c: unknown, ...args: []) => any;
        dictionary: (c: unknown, ...args: any[]) => { [key: string]: ClassDictionaryResult };
        itself: (c: unknown, ...args: any[]) => ClassItselfResult;
        lists: (c: unknown, ...args: any[]) => Array<ClassListsResult>;
        loop: (c: unknown, ...args: [(A)?]) => any;
        names: (c: unknown, ...args: any[]) => Registry2;
        "new\u000aline \u2028 \\": (c: unknown, ...args: any[]) => [(unknown)?, ...Array<unknown>];
        "no way": (c: unknown, ...args: [never, unknown, ...Array<string>]) => never;
        nonsense: (c: unknown, ...args: Array<unknown>) => string | unknown;
        numbers: (c: unknown, ...args: any[]) => 1 | -0.5 | number | unknown | true;
      };
      events: {
        "*/": { readonly _eventType?: [any?, any?, any?, any?, any?, any?, any?, any?] };
        "`${x}`": { readonly _eventType?: [any?, any?, any?, any?, any?, any?, any?, any?] };
      };
      queues: {
      };
    };
  };
  "import.meta": {
    readonly config: {
      actions: {
      };
      events: {
      };
      queues: {
        "</script>": { readonly _queueMessage?: any; readonly _queueComplete?: any };
      };
    };
  };
};

/** What each actor is made from: createWithInput and input. */
export type Inputs = {
  class: any;
  "import.meta": string;
};

/** What each actor takes from a connection. */
export type Params = {
  class: any;
  "import.meta": any;
};

export type A = { b?: B; };

export type Array2 = string;

export type B = { a?: A; c?: C; };

export type C = { x?: A; } & A;

export type ClassDictionaryResult = { [key: string]: ClassDictionaryResult };

export type ClassItselfResult = unknown;

export type ClassListsResult = Array<ClassListsResult>;

/** / export const evil = 1; / ts-ignore */
export type Registry2 = { /** / / // */ "*/"?: "*/\u0000\"\ud83d\ude00"; string?: Array2; };
