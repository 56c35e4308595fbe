// For workerd: it takes its arguments as a body and answers with what it saw.
import "./websocket.mjs";
import { call } from "./caller.mjs";

export default {
	async fetch(request) {
		return Response.json(await call(await request.json()));
	},
};
