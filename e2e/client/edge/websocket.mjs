// The client opens WebSockets at http:// URLs, which workerd does not take. Import this before the client.
const Plain = globalThis.WebSocket;

globalThis.WebSocket = class extends Plain {
	constructor(url, protocols) {
		super(String(url).replace(/^http/, "ws"), protocols);
	}
};
