import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// The example's parts are taken with another client than its own, whose settings come with the page's address.
export default defineConfig({
	root: here("."),
	plugins: [react()],
	resolve: {
		alias: [{ find: /^\.\/rivet$/, replacement: here("rivet.js") }],
		dedupe: ["react", "react-dom", "@rivetkit/react"],
	},
	build: { outDir: here("../out/pages"), emptyOutDir: true, chunkSizeWarningLimit: 2000 },
});
