import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "../../../examples/web/src/App";
import { Bench } from "./bench";
import { Calls } from "./calls";
import { setting } from "./rivet";

const page = { app: <App />, bench: <Bench />, calls: <Calls /> }[setting("page")];
createRoot(document.getElementById("root")).render(setting("strict") ? <StrictMode>{page}</StrictMode> : page);
