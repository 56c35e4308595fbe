package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api"
	"github.com/vivarium-run/vivarium/cmd/host/internal/metrics"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// drainTime is how long turns may go on after the first signal to stop.
const drainTime = 10 * time.Second

// node is a running host: every part, joined.
type node struct {
	log      *slog.Logger
	listener net.Listener
	scheme   string       // http or https
	plain    net.Listener // beside one with TLS; nil if there is none
	redirect *http.Server // serves plain
	scrapes  net.Listener // for the metrics; nil if they are at the public port only
	scraped  *http.Server // serves scrapes
	acme     *acme        // nil if certificates come another way
	store    kv.Store
	registry *tenants.Registry
	sandbox  *sandbox.Sandbox
	actors   *actors.Host
	api      *api.Server
	edge     atomic.Pointer[api.Server] // the same, for actors, which run before it is made
	served   chan error                 // gets a value when a server has ended, of three at most
	signals  chan os.Signal             // to stop, from the first answer on; before it a signal ends the process

	backingUp sync.Mutex // held while a backup, or the export of a namespace, is taken
	importing sync.Mutex // held while a namespace is imported
	idle      func()     // ends what gives memory back, and waits for it; nil if it was not begun
}

// nodeConfig is what the commands decide about a node.
type nodeConfig struct {
	data, listen string
	key          []byte   // signs and checks tokens
	oldKeys      [][]byte // check them, too
	dev          bool     // requests without a token are the default namespace's admin
	onLog        func(actors.Info, actors.LogLine)
	log          *slog.Logger
	publicURL    *url.URL // that clients are told; nil is none
	proxies      []netip.Prefix
	httpListen   string       // beside HTTPS; empty is none
	metrics      string       // address of a listener for the metrics alone; empty is none
	tls          *certificate // for HTTPS; or
	acme         *acmeConfig  // both nil for plain HTTP
	plans        tenants.Plans
	bounds       boundFlags // zero values are the defaults
	minFree      byteSize   // of the data\'s disk, for the host to write; zero is no bound
	audit        io.Writer  // of what is managed; nil is none

	allowLoopback []string       // that guests may reach if they are granted it
	vault         *tenants.Vault // of the namespaces' secrets; nil is none
	rotating      bool           // the vault has an old key
	env           devEnv         // secrets that stand before those

	wrapStore func(kv.Store) kv.Store // stands before the store in a test
	free      func() (int64, error)   // the free space in a test; nil asks the system
}

// startNode opens the parts from the bottom up and serves. The address is taken first, so that a
// second host fails before it touches the data.
func startNode(c nodeConfig) (n *node, err error) {
	n = &node{log: c.log, scheme: "http", served: make(chan error, 3), signals: make(chan os.Signal, 1)}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	var inherited bool
	if n.listener, inherited, err = listen(c.listen); err != nil {
		return n, err
	}
	if inherited {
		c.log.Info("the listener is the supervisor's")
	}
	if c.httpListen != "" {
		if n.plain, err = net.Listen("tcp", c.httpListen); err != nil {
			return n, err
		}
	}
	if c.metrics != "" {
		if n.scrapes, err = net.Listen("tcp", c.metrics); err != nil {
			return n, err
		}
	}
	if err := openData(c.data); err != nil {
		return n, err
	}
	store, err := badgerkv.Open(badgerkv.Config{Dir: filepath.Join(c.data, storeFolder), Logger: c.log, MinFree: int64(c.minFree), Free: c.free})
	if errors.Is(err, kv.ErrCorrupt) {
		return n, unusable("data/damaged", "the store in %s is damaged, and nothing was changed: %v", c.data, err)
	}
	if err != nil {
		return n, fmt.Errorf("open the store in %s: %w", c.data, err)
	}
	n.store = store
	if err := claimFormat(c.data); err != nil {
		return n, err
	}
	if c.wrapStore != nil {
		n.store = c.wrapStore(store)
	}
	if n.registry, err = tenants.OpenRegistry(context.Background(), n.store, filepath.Join(c.data, moduleFolder)); err != nil {
		return n, err
	}
	n.registry.SetPlans(c.plans)
	n.registry.SetVault(c.vault)
	n.reseal(c.rotating)
	if n.sandbox, err = sandbox.Open(context.Background(), sandbox.Config{
		Dir: filepath.Join(c.data, "sandbox"), Modules: actors.GuestModules(), Logger: c.log, Slots: processors(),
		Budget: func(class string) sandbox.Budget { return n.registry.Allowance(tenants.ID(class)) },
		Weight: func(class string) int { return n.registry.Allowance(tenants.ID(class)).Weight() },
	}); err != nil {
		return n, err
	}
	if n.actors, err = actors.Start(actors.Config{
		Store: n.store, Registry: n.registry, Sandbox: n.sandbox, OnLog: c.onLog, Logger: c.log, MaxInstances: c.bounds.instances,
		EnterUpload: n.enterUpload, OwnAddrs: n.ownAddrs, AllowLoopback: c.allowLoopback, Secrets: n.secrets(c.env),
	}); err != nil {
		return n, err
	}
	n.registry.SetHasActors(n.actors.HasActors)
	keyring, err := tenants.NewKeyring(c.key, c.oldKeys...)
	if err != nil {
		return n, err
	}
	told := metrics.Handler(n.sources(store))
	if n.api, err = api.New(api.Config{
		Actors: n.actors, Registry: n.registry, Keyring: keyring, Dev: c.dev, Backup: n.backup, Export: n.exportActor, Import: n.importActor, ExportNamespace: n.exportNamespace, ImportNamespace: n.importNamespace, Audit: c.audit,
		Metrics: told, Logger: c.log, Version: version(),
		PublicURL: c.publicURL, TrustedProxies: c.proxies,
		MaxConns: withinDescriptors(cmp.Or(c.bounds.conns, api.DefaultMaxConns), c.log), MaxConnsPerClient: c.bounds.connsPerClient, ClientRate: c.bounds.clientRate,
	}); err != nil {
		return n, err
	}
	n.edge.Store(n.api)
	signal.Notify(n.signals, syscall.SIGTERM, syscall.SIGINT) // BEFORE somebody can see that it is ready
	if err := n.serve(c); err != nil {
		return n, err
	}
	if n.scrapes != nil {
		n.scraped = metricsServer(told, c.log)
		go func() { n.served <- n.scraped.Serve(n.scrapes) }() // ends with close
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); returnMemory(stop) }()
	n.idle = sync.OnceFunc(func() { close(stop); <-stopped })
	return n, nil
}

// serve begins to answer, with TLS if that is configured. Certificates are asked for last, since the CA calls back.
func (n *node) serve(c nodeConfig) (err error) {
	l := n.listener
	switch {
	case c.tls != nil:
		l, n.scheme = listenTLS(l, c.tls.get), "https"
	case c.acme != nil:
		if n.acme, err = openACME(*c.acme, n.listener.Addr(), n.plainAddr(), c.log); err != nil {
			return err
		}
		l, n.scheme = listenTLS(l, n.acme.get, acmeProtocol), "https"
	}
	go func() { n.served <- n.api.Serve(l) }() // ends with api.Shutdown; stop waits for it
	if n.plain != nil {
		n.redirect = plainServer(c.publicURL, n.acme, c.log)
		go func() { n.served <- n.redirect.Serve(n.plain) }() // ends with close
	}
	if n.acme != nil {
		n.acme.start()
	}
	return nil
}

// enterUpload counts an upload of a guest among those of clients.
func (n *node) enterUpload(ns tenants.ID) (leave func(), err error) {
	edge := n.edge.Load()
	if edge == nil {
		return nil, &abi.Error{Code: abi.CodeHostBusy, Message: "The host is starting", Retry: time.Second}
	}
	return edge.EnterUpload(ns)
}

// plainAddr is where the node listens beside TLS, nil if it does not.
func (n *node) plainAddr() net.Addr {
	return addrOf(n.plain)
}

// ownAddrs are the addresses on which the process listens.
func (n *node) ownAddrs() (own []netip.AddrPort) {
	for _, addr := range []net.Addr{n.listener.Addr(), n.plainAddr(), addrOf(n.scrapes)} {
		if a, ok := addr.(*net.TCPAddr); ok {
			own = append(own, a.AddrPort())
		}
	}
	return own
}

// url is where the node can be reached from this machine.
func (n *node) url() string { return n.scheme + "://" + n.listener.Addr().String() }

// wait serves until a signal, the end of ctx or a failure, and stops the node. A store that does
// not know what it wrote ends the process with an error: only its log can tell, at the next start.
func (n *node) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-n.signals:
	case <-n.store.Failed():
		n.log.Error("the store failed; the process ends", "error", n.store.Err())
		n.stop()
		return fmt.Errorf("the store failed: %w", n.store.Err())
	case err := <-n.served:
		n.stop()
		return fmt.Errorf("serve: %w", err)
	}
	signal.Stop(n.signals) // a second signal ends the process at once
	n.log.Info("stopping", "turns_may_take", drainTime)
	return n.stop()
}

// stop ends the node from the top down. Turns that run finish while new requests are refused;
// after that the port closes, then the disk.
func (n *node) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	n.api.GoAway()
	err := n.actors.Drain(ctx)
	if err != nil {
		n.log.Warn("some turns did not end in time", "error", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.api.Shutdown(ctx); err != nil {
		n.log.Warn("some requests were cut off", "error", err)
	}
	return n.close()
}

// close frees what was opened, top down.
func (n *node) close() error {
	signal.Stop(n.signals)
	var errs []error
	if n.idle != nil {
		n.idle()
	}
	for _, s := range []*http.Server{n.redirect, n.scraped} {
		if s != nil {
			s.Close()
		}
	}
	if n.acme != nil {
		n.acme.close()
	}
	if n.actors != nil {
		errs = append(errs, n.actors.Close())
	}
	if n.registry != nil {
		errs = append(errs, n.registry.Close())
	}
	if n.sandbox != nil {
		errs = append(errs, n.sandbox.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	for _, l := range []net.Listener{n.listener, n.plain, n.scrapes} {
		if l != nil {
			l.Close() // the server may have closed it already
		}
	}
	return errors.Join(errs...)
}
