// What host.mjs has, for those tests that are compiled.
export interface Host {
	endpoint: string;
	/** publicURL is where the host tells clients to go. */
	publicURL: string;
	/** token makes one of a role: admin, deploy, invoke or read. */
	token(role: string): string;
	/** types writes the declarations of a module's actors to a file. */
	types(module: string, file: string): void;
	/** stop kills the host, or ends it as an operator would; its folder stays. */
	stop(signal?: "SIGKILL" | "SIGTERM"): Promise<void>;
	start(): Promise<void>;
	end(): Promise<void>;
}
/** Guests are named by their folders within the repository; without any it is the kitchen. */
export function startHost(options?: { held?: boolean; tls?: boolean; publicPath?: string; guests?: string[] }): Promise<Host>;
/** freePort returns a port of loopback that nobody listens on. */
export function freePort(): Promise<number>;
export function until<T>(what: string, f: () => T | Promise<T>, ms?: number): Promise<T>;
