# Durable Objects on local disk. The address and the folder of the data are given on the command line.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "data", disk = (writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const main :Workerd.Worker = (
  compatibilityDate = "2026-06-01",
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  durableObjectNamespaces = [(className = "Actor", uniqueKey = "bench-actor", enableSql = true)],
  durableObjectStorage = (localDisk = "data"),
  bindings = [(name = "ACTOR", durableObjectNamespace = "Actor")],
);
