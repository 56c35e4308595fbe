package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// route is one row of the table.
type route struct {
	method string          // anyMethod stands for all
	path   string          // "{name}" stands for one percent-encoded segment, a last "*" for the rest
	rights []tenants.Right // one of them is needed; none means that no token is
	within check           // holds what the URL names to the limits of a token
	body   int64           // most bytes of a body; 0 means that a body is not read
	handle func(*Server, http.ResponseWriter, *request) error
}

const anyMethod = "*"

// Sets of rights. May look at actors: who calls one must be able to find it.
var (
	public   []tenants.Right
	operate  = []tenants.Right{tenants.RightOperate}
	admin    = []tenants.Right{tenants.RightAdmin}
	deploy   = []tenants.Right{tenants.RightDeploy}
	settings = []tenants.Right{tenants.RightDeploy, tenants.RightAdmin}
	invoke   = []tenants.Right{tenants.RightInvoke}
	read     = []tenants.Right{tenants.RightRead}
	find     = []tenants.Right{tenants.RightInvoke, tenants.RightRead}
	anyone   = []tenants.Right{tenants.RightOperate, tenants.RightAdmin, tenants.RightDeploy, tenants.RightInvoke, tenants.RightRead}
)

// Body limits, in bytes.
const (
	smallBody  = 64 << 10
	configBody = 1 << 20
	createBody = abi.MaxInput*4/3 + smallBody // an input in base64, and the rest
	queueBody  = 256 << 10                    // a message, with room to say that it is too large
	actionBody = abi.MaxArgs + 1<<10          // the arguments, and what is around them
	uploadBody = actors.MaxModule             // has a time of its own, too
	importBody = 256 << 20                    // as that

	// arrivalBody is never held, and each part of it has a time of its own.
	arrivalBody = 1 << 40
)

// routes is the table of all routes.
func routes() []route {
	return []route{
		{"GET", "/healthz", public, nothing, 0, (*Server).getHealth},
		{"GET", "/readyz", public, nothing, 0, (*Server).getReady},
		{"GET", "/metadata", public, nothing, 0, (*Server).getMetadata},
		{"GET", "/metrics", operate, whole, 0, (*Server).getMetrics},

		{"GET", "/namespaces", read, nothing, 0, (*Server).listNamespaces},
		{"POST", "/namespaces", operate, whole, smallBody, (*Server).createNamespace},
		{"POST", "/namespaces/import", operate, whole, arrivalBody, (*Server).importNamespace},
		{"GET", "/namespaces/{namespace}", read, nothing, 0, (*Server).getNamespace},
		{"DELETE", "/namespaces/{namespace}", operate, whole, 0, (*Server).deleteNamespace},
		{"POST", "/namespaces/{namespace}/export", operate, whole, 0, (*Server).exportNamespace},
		{"POST", "/namespaces/{namespace}/tokens", anyone, nothing, smallBody, (*Server).deriveToken},
		{"GET", "/namespaces/{namespace}/keys", admin, whole, 0, (*Server).listKeys},
		{"PUT", "/namespaces/{namespace}/keys/{key}", admin, whole, smallBody, (*Server).putKey},
		{"DELETE", "/namespaces/{namespace}/keys/{key}", admin, whole, 0, (*Server).deleteKey},
		{"GET", "/namespaces/{namespace}/revocations", admin, whole, 0, (*Server).listRevocations},
		{"POST", "/namespaces/{namespace}/revocations", admin, whole, smallBody, (*Server).postRevocation},
		{"GET", "/namespaces/{namespace}/quotas", read, whole, 0, (*Server).getQuotas},
		{"PUT", "/namespaces/{namespace}/quotas", operate, whole, smallBody, (*Server).putQuotas},
		{"GET", "/namespaces/{namespace}/egress", read, whole, 0, (*Server).getEgress},
		{"PUT", "/namespaces/{namespace}/egress", operate, whole, smallBody, (*Server).putEgress},
		{"GET", "/namespaces/{namespace}/usage", read, whole, 0, (*Server).getUsage},
		{"GET", "/namespaces/{namespace}/secrets", admin, whole, 0, (*Server).listSecrets},
		{"PUT", "/namespaces/{namespace}/secrets/{secret}", admin, whole, smallBody, (*Server).putSecret},
		{"DELETE", "/namespaces/{namespace}/secrets/{secret}", admin, whole, 0, (*Server).deleteSecret},
		{"GET", "/revocations", operate, whole, 0, (*Server).listRevocations},
		{"POST", "/revocations", operate, whole, smallBody, (*Server).postRevocation},

		{"POST", "/backup", operate, whole, 0, (*Server).postBackup},

		{"GET", "/modules", read, nothing, 0, (*Server).listModules},
		{"GET", "/modules/{module}", read, ofModule, 0, (*Server).getModule},
		{"PUT", "/modules/{module}", deploy, ofModule, uploadBody, (*Server).putModule},
		{"PATCH", "/modules/{module}", settings, ofModule, configBody, (*Server).patchModule},
		{"DELETE", "/modules/{module}", deploy, ofModule, 0, (*Server).deleteModule},
		{"GET", "/modules/{module}/versions", read, ofModule, 0, (*Server).listVersions},
		{"GET", "/modules/{module}/versions/{version}", read, ofModule, 0, (*Server).getVersion},
		{"GET", "/modules/{module}/versions/{version}/wasm", read, ofModule, 0, (*Server).getWasm},

		{"GET", "/actors", find, nothing, 0, (*Server).listActors},
		{"PUT", "/actors", invoke, inBody, createBody, (*Server).putActor},
		{"POST", "/actors", invoke, inBody, createBody, (*Server).createActor},
		{"GET", "/actors/names", read, nothing, 0, (*Server).listActorNames},
		{"POST", "/actors/import", admin, whole, importBody, (*Server).importActor},
		{"GET", "/actors/{actor}", find, ofActor, 0, (*Server).getActor},
		{"DELETE", "/actors/{actor}", admin, ofActor, 0, (*Server).deleteActor},
		{"POST", "/actors/{actor}/export", admin, ofActor, 0, (*Server).exportActor},
		{"POST", "/actors/{actor}/reset", settings, ofActor, 0, (*Server).resetActor},
		{"GET", "/actors/{actor}/state", read, ofActor, 0, (*Server).getState},
		{"GET", "/actors/{actor}/kv", read, ofActor, 0, (*Server).listKV},
		{"GET", "/actors/{actor}/kv/keys/{key}", read, ofActor, 0, (*Server).getKV},
		{"GET", "/actors/{actor}/schedules", read, ofActor, 0, (*Server).listSchedules},
		{"GET", "/actors/{actor}/queue", read, ofActor, 0, (*Server).listQueue},
		{"GET", "/actors/{actor}/dead", read, ofActor, 0, (*Server).listDead},
		{"POST", "/actors/{actor}/dead/{letter}/retry", settings, ofActor, 0, (*Server).retryDead},
		{"GET", "/actors/{actor}/logs", read, ofActor, 0, (*Server).getLogs},
		{"GET", "/actors/{actor}/events", read, ofActor, 0, (*Server).getEvents},
		{"GET", "/actors/{actor}/connections", read, ofActor, 0, (*Server).listConnections},
		{"GET", "/actors/{actor}/usage", read, ofActor, 0, (*Server).getActorUsage},

		{"POST", "/gateway/{target}/action/{action}", invoke, byAction, actionBody, (*Server).postAction},
		{anyMethod, "/gateway/{target}/request", invoke, byRequest, abi.MaxBody, (*Server).anyRequest},
		{anyMethod, "/gateway/{target}/request/*", invoke, byRequest, abi.MaxBody, (*Server).anyRequest},
		{"GET", "/gateway/{target}/connect", invoke, byConnect, 0, (*Server).notASocket},
		{"GET", "/gateway/{target}/websocket", invoke, byRaw, 0, (*Server).notASocket},
		{"GET", "/gateway/{target}/websocket/*", invoke, byRaw, 0, (*Server).notASocket},
		{"POST", "/gateway/{target}/queue/{queue}", invoke, byQueue, queueBody, (*Server).postQueue},
		{anyMethod, "/gateway/*", public, nothing, 0, (*Server).noGatewayPath},
	}
}

// gateway reports whether the route's token and namespace are in the gateway's places.
func (rt *route) gateway() bool { return strings.HasPrefix(rt.path, "/gateway/{") }

// ofLeaving reports whether an operator may use the route for a namespace that is being removed.
func (rt *route) ofLeaving() bool { return rt.path == "/namespaces/{namespace}" }

// rawSocket reports whether the route is one of raw sockets.
func (rt *route) rawSocket() bool { return strings.HasPrefix(rt.path, "/gateway/{target}/websocket") }

// socket reports whether upgrades of the route are served.
func (rt *route) socket() bool { return rt.rawSocket() || rt.path == "/gateway/{target}/connect" }

// echoPath writes a path of the table in echo's way.
func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// dispatch returns what serves one path: it decodes the path's parameters, finds the route of the
// method, checks the token and runs the handler.
func (s *Server) dispatch(rts []*route) echo.HandlerFunc {
	return func(c echo.Context) error {
		params, err := pathParams(c)
		if err != nil {
			return err
		}
		r := c.Request()
		rt := findMethod(rts, r.Method)
		if rt == nil {
			c.Response().Header().Set("Allow", allow(rts))
			return abi.Errorf(abi.CodeMethodNotAllowed, "")
		}
		q := &request{Request: r, server: s, route: rt, params: params}
		if rt.socket() && isUpgrade(r) {
			return s.serveSocket(c.Response(), q) // which authenticates on the socket
		}
		if rt.audited() {
			return s.audit(c.Response(), q)
		}
		return s.serve(c.Response(), q)
	}
}

// serve finds out who asks and runs the handler.
func (s *Server) serve(w *echo.Response, q *request) error {
	if err := q.parseURL(); err != nil {
		return err
	}
	if err := s.authenticate(q); err != nil {
		return err
	}
	if err := s.enter(q); err != nil {
		return err
	}
	defer s.leave(q)
	w.Writer.(*timedWriter).owner(&s.held.memory, q.ns)
	if err := q.openBody(w); err != nil {
		return err
	}
	return q.blame(q.route.handle(s, w, q))
}

// pathParams returns the decoded path parameters, each decoded once.
func pathParams(c echo.Context) (map[string]string, error) {
	params := map[string]string{}
	for i, name := range c.ParamNames() {
		raw := c.ParamValues()[i]
		if name == "*" {
			continue
		}
		// Echo lets a last parameter match slashes too, which would go around a longer route.
		if raw == "" || strings.Contains(raw, "/") {
			return nil, abi.Errorf(abi.CodeNotFound, "")
		}
		if name == "target" {
			params[name] = raw // it has parts; see parseTarget
			continue
		}
		v, err := url.PathUnescape(raw)
		if err != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "the path has an invalid percent-encoding")
		}
		params[name] = v
	}
	return params, nil
}

func findMethod(rts []*route, method string) *route {
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	for _, rt := range rts {
		if rt.method == method || rt.method == anyMethod {
			return rt
		}
	}
	return nil
}

// allow returns the Allow header of a path.
func allow(rts []*route) string {
	var methods []string
	for _, rt := range rts {
		methods = append(methods, rt.method)
		if rt.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return strings.Join(methods, ", ")
}
