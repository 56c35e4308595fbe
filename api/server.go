package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// Config says what a Server serves and for how long it waits. Actors, Registry and Keyring are
// required; the zero value of anything else is a default.
type Config struct {
	Actors   *actors.Host
	Registry *tenants.Registry
	Keyring  *tenants.Keyring

	// Dev takes requests without a token as admin of tenants.Default, if the connection and the
	// Host header are loopback and no other site's page sent them.
	Dev bool

	// PublicURL is where clients are told to go, from ParsePublicURL; nil leaves them where they ask. Each route is
	// reachable below its path too. No request's header ever stands in for it: whoever writes that header would get
	// the tokens of clients.
	PublicURL *url.URL

	// TrustedProxies are the networks from which X-Forwarded-For is believed, from ParseProxies. There is none by
	// default, loopback included.
	TrustedProxies []netip.Prefix

	// Backup writes a backup of the whole host; nil means that there are none. An error may come after it has
	// written something.
	Backup func(context.Context, io.Writer) error

	// Export writes an actor to a file's bytes, and Import makes one of them in a namespace, at key unless that is nil. Nil
	// means that there is neither.
	Export func(context.Context, tenants.ActorID, io.Writer) error
	Import func(ctx context.Context, ns tenants.ID, key *tenants.Key, file io.Reader) (actors.Info, error)

	// ExportNamespace and ImportNamespace do the same for a whole namespace, which gets the name as unless that is empty.
	ExportNamespace func(context.Context, tenants.ID, io.Writer) error
	ImportNamespace func(ctx context.Context, as tenants.ID, file io.Reader) (actors.ImportedNamespace, error)

	// Audit takes what operators, admins and deployers do: whole lines of JSON, each in one call. While it fails they can
	// do nothing. Nil means that the lines are in the log only.
	Audit io.Writer
	// Metrics answers GET /metrics; nil means that there are none.
	Metrics http.Handler

	Logger  *slog.Logger // nil discards
	Version string       // of this host, for GET /metadata

	HeaderTimeout time.Duration // for a request's head; 5 s
	BodyTimeout   time.Duration // for a request's body; 30 s
	UploadTimeout time.Duration // for the body of an upload; 5 min
	WriteTimeout  time.Duration // for each write of an answer; 30 s
	IdleTimeout   time.Duration // of a connection between requests; 2 min
	Heartbeat     time.Duration // between signs of life in an event stream; 15 s

	PingInterval       time.Duration // between pings of a WebSocket; 20 s
	PongTimeout        time.Duration // for the answer to a ping; 10 s
	SocketWriteTimeout time.Duration // for each write to a WebSocket; 10 s
	GoAwayJitter       time.Duration // within which a stopping server closes its WebSockets; 2 s
	RejectDelay        time.Duration // before a refused WebSocket is told so the first time, then twice as long each; 0.1 s

	// What goes on at a time. A namespace may have as much of the last four as is still free, so half of it at most.
	MaxConns          int   // network connections; 16,384
	MaxConnsPerClient int   // of them, by address, or network of IPv6, behind trusted proxies WebSockets only; 4,096
	MaxRequests       int64 // that are not answered yet; 8,192
	MaxHeld           int64 // bytes of bodies, answers and unread messages of sockets; 512 MiB
	MaxUploads        int64 // modules being uploaded and checked; 16
	MaxSockets        int64 // WebSockets; as many as connections

	// ClientRate bounds the requests, and messages over sockets, a second of each client, by address, or network of IPv6; zero is no bound. One
	// with a bad token counts for ten.
	ClientRate float64
}

func orElse[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}

// Defaults of Config.
const (
	DefaultMaxConns          = 16_384
	DefaultMaxConnsPerClient = 4_096
)

func (c *Config) setDefaults() {
	for _, d := range []struct {
		dst *time.Duration
		def time.Duration
	}{
		{&c.HeaderTimeout, 5 * time.Second},
		{&c.BodyTimeout, 30 * time.Second},
		{&c.UploadTimeout, 5 * time.Minute},
		{&c.WriteTimeout, 30 * time.Second},
		{&c.IdleTimeout, 2 * time.Minute},
		{&c.Heartbeat, 15 * time.Second},
		{&c.PingInterval, 20 * time.Second},
		{&c.PongTimeout, 10 * time.Second},
		{&c.SocketWriteTimeout, 10 * time.Second},
		{&c.GoAwayJitter, 2 * time.Second},
		{&c.RejectDelay, 100 * time.Millisecond},
	} {
		if *d.dst == 0 {
			*d.dst = d.def
		}
	}
	orElse(&c.MaxConns, DefaultMaxConns)
	orElse(&c.MaxConnsPerClient, DefaultMaxConnsPerClient)
	orElse(&c.MaxRequests, 8192)
	orElse(&c.MaxHeld, 512<<20)
	orElse(&c.MaxUploads, 16)
	orElse(&c.MaxSockets, int64(c.MaxConns))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) validate() error {
	switch {
	case c.Registry == nil:
		return errors.New("api: Config.Registry is nil")
	case c.Keyring == nil:
		return errors.New("api: Config.Keyring is nil")
	case c.HeaderTimeout < 0, c.BodyTimeout < 0, c.UploadTimeout < 0, c.WriteTimeout < 0, c.IdleTimeout < 0, c.Heartbeat < 0,
		c.PingInterval < 0, c.PongTimeout < 0, c.SocketWriteTimeout < 0, c.GoAwayJitter < 0, c.RejectDelay < 0:
		return errors.New("api: a timeout is negative")
	case c.MaxConns < 0, c.MaxConnsPerClient < 0, c.MaxRequests < 0, c.MaxHeld < 0, c.MaxUploads < 0, c.MaxSockets < 0, !(c.ClientRate >= 0 && c.ClientRate <= MaxClientRate):
		return errors.New("api: a bound is out of range")
	}
	return nil
}

// connKey is the context key of a request's net.Conn.
type connKey struct{}

// maxHeaderBytes bounds a request's head. The longest legitimate part is a token with an input.
const maxHeaderBytes = 32 << 10

// maxStreams bounds the requests that one connection of HTTP/2 has at a time. Of those that it takes back at once
// the library bounds the backlog, and ends the connection.
const maxStreams = 100

// host is what the handlers use of package actors.
type host interface {
	Create(context.Context, tenants.Address, actors.CreateOptions) (actors.Info, error)
	GetOrCreate(context.Context, tenants.Address, actors.CreateOptions) (actors.Info, bool, error)
	Find(context.Context, tenants.Address) (actors.Info, error)
	Resolve(context.Context, tenants.Address) (tenants.ActorID, error)
	Get(context.Context, tenants.ActorID) (actors.Info, error)
	List(ctx context.Context, ns tenants.ID, name, cursor string, limit int) ([]actors.Info, string, error)
	ActorNames(context.Context, tenants.ID) ([]string, error)
	Destroy(context.Context, tenants.ActorID) error
	Call(context.Context, tenants.ActorID, actors.Request) (actors.Reply, error)
	CallOrCreate(context.Context, tenants.Address, actors.CreateOptions, actors.Request) (tenants.ActorID, actors.Reply, error)
	Request(context.Context, tenants.ActorID, actors.RawRequest) (*actors.RawResponse, error)
	Connect(context.Context, tenants.ActorID, actors.ConnectRequest, actors.Sink) (*actors.Conn, error)
	Connections(context.Context, tenants.ActorID) ([]actors.ConnInfo, error)
	Enqueue(context.Context, tenants.ActorID, actors.Message) (actors.Completion, error)
	ListSchedules(ctx context.Context, id tenants.ActorID, after string, limit int) ([]abi.Schedule, bool, error)
	ListQueue(ctx context.Context, id tenants.ActorID, after []byte, limit int) ([]actors.Queued, []byte, error)
	ListDead(ctx context.Context, id tenants.ActorID, after string, limit int) ([]abi.DeadLetter, bool, error)
	RetryDead(ctx context.Context, id tenants.ActorID, letter string) error
	State(context.Context, tenants.ActorID) (abi.Codec, []byte, bool, error)
	KVList(ctx context.Context, id tenants.ActorID, prefix, after []byte, limit int) ([]abi.Item, bool, error)
	KVGet(ctx context.Context, id tenants.ActorID, key []byte) ([]byte, error)
	Logs(ctx context.Context, id tenants.ActorID, after uint64) ([]actors.LogLine, error)
	FollowLogs(ctx context.Context, id tenants.ActorID, after uint64) (<-chan actors.LogLine, error)
	FollowEvents(ctx context.Context, id tenants.ActorID) (<-chan actors.Event, error)
	Upload(context.Context, tenants.ID, io.Reader, actors.UploadOptions) (tenants.Version, actors.Report, bool, error)
	DeleteModule(ctx context.Context, ns tenants.ID, module string) error
	DeleteNamespace(ctx context.Context, ns tenants.ID) (actors.Removal, error)
	Removal(ctx context.Context, ns tenants.ID) (actors.Removal, error)
	CrashLoop(tenants.ActorID) time.Time
	ResetCrashes(tenants.ActorID)
	FetchKeys(ctx context.Context, ns tenants.ID, url string, max int) ([]byte, error)
	AdmitTo(tenants.ActorID) error
	AdmitAt(tenants.Address) error
	Ready() error
	Writable() error
}

var _ host = (*actors.Host)(nil)

// Server serves the routes. It is safe for concurrent use.
type Server struct {
	cfg    Config
	host   host
	tokens *tenants.Tokens
	log    *slog.Logger
	now    func() time.Time

	handler http.Handler
	http    *http.Server

	stats      *counters
	sockets    sockets
	conns      conns
	held       holdings
	holds      holds
	proxies    proxies
	visitors   visitors // with publishable tokens, by address
	tokenRates visitors // all of a token together
	auditor    auditor

	clientRates clientRates

	closeOnce sync.Once
	closing   chan struct{} // closed when event streams and sockets shall end
}

// New returns a Server. It holds nothing until Serve is called.
func New(cfg Config) (*Server, error) {
	if cfg.Actors == nil {
		return nil, errors.New("api: Config.Actors is nil")
	}
	return newServer(cfg, cfg.Actors)
}

func newServer(cfg Config, h host) (*Server, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, host: h, log: cfg.Logger, now: time.Now, closing: make(chan struct{}), holds: holds{first: cfg.RejectDelay}, proxies: cfg.TrustedProxies}
	s.auditor = auditor{file: cfg.Audit, log: s.log, now: func() time.Time { return s.now() }}
	s.conns.max, s.conns.perClient = cfg.MaxConns, cfg.MaxConnsPerClient
	s.held.requests.max, s.held.memory.max, s.held.uploads.max, s.held.sockets.max = cfg.MaxRequests, cfg.MaxHeld, cfg.MaxUploads, cfg.MaxSockets
	s.clientRates.limit = rate.Limit(cfg.ClientRate)
	s.tokens = tenants.NewTokens(cfg.Keyring, cfg.Registry, h.FetchKeys)
	s.stats = newCounters(routes())
	s.handler = s.router()
	s.http = &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: cfg.HeaderTimeout,
		// Covers what net/http writes by itself; timedWriter takes its place, so it bounds no
		// turn and no event stream.
		WriteTimeout:                 cfg.WriteTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ConnState:                    s.watchConn,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		BaseContext: func(l net.Listener) context.Context {
			return context.WithValue(context.Background(), listenerKey{}, loopbackAddr(l.Addr()))
		},
	}
	return s, nil
}

// Handler returns what serves the routes, for a server of the caller's own. The head's and the
// connection's timeouts are then the caller's too.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve serves the connections of l, which it closes, until Shutdown is called; it then returns
// nil at once. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// GoAway ends event streams, and WebSockets when what their clients have asked is answered. It does not wait.
// New WebSockets are told the same; other requests are still served. It is idempotent.
func (s *Server) GoAway() {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.sockets.goAway(s.cfg.GoAwayJitter)
	})
}

// Shutdown goes away and closes the listeners, then waits for the other requests and for the sockets. When
// ctx ends first it cuts their connections and returns ctx's error. It is idempotent.
func (s *Server) Shutdown(ctx context.Context) error {
	s.GoAway()
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	return errors.Join(err, s.sockets.wait(ctx))
}

// router makes the routes out of the table. Echo matches paths only: each path is registered for
// all methods, and dispatch finds the route of the method in the table.
func (s *Server) router() http.Handler {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.Pre(s.edge)
	e.HTTPErrorHandler = s.fail // unreachable behind edge, and never echo's own shape
	paths := map[string][]*route{}
	for _, rt := range routes() {
		paths[rt.path] = append(paths[rt.path], &rt)
	}
	for path, rts := range paths {
		e.RouteNotFound(echoPath(path), s.dispatch(rts))
	}
	e.RouteNotFound("/*", func(echo.Context) error { return abi.Errorf(abi.CodeNotFound, "") })
	// Not as middleware: echo goes on routing the request that it was given.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.ServeHTTP(w, s.normalize(r)) })
}
