package api

import (
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/internal/stats"
)

// Requests are those of one route that were answered with one status. Route is a row of the table, such as
// "GET /actors/{actor}", or NoRoute; Status is one of ours, or for others, which guests may choose, such as "4xx".
type Requests struct{ Route, Status string }

// NoRoute stands for what no row of the table is for.
const NoRoute = "none"

// Stats is what a Server holds at one moment and has done so far.
type Stats struct {
	Requests     map[Requests]uint64
	Times        map[string]stats.Spread // by route; without WebSockets and event streams, which end when they like
	Errors       map[string]uint64       // that clients were told, by code, on sockets too
	AuthFailures map[string]uint64       // by code: who had no good token, or one without the right

	Sockets             int
	SocketsOpened       uint64
	SlowReaders         uint64 // sockets that were closed for it
	FramesIn, FramesOut uint64 // of WebSockets
	BytesIn, BytesOut   uint64 // in them
}

// counters are what a server has done so far. All of them have a place that was made at the start.
type counters struct {
	routes map[string][]*routeStats // by echo's path
	none   routeStats
	errors stats.Table // by code
	auth   stats.Table // by code
	lines  traffic
}

// routeStats are those of one row of the table.
type routeStats struct {
	*route
	statuses stats.Table // by statusPlace
	took     stats.Times
}

// traffic counts what goes over sockets.
type traffic struct {
	opened, slow, framesIn, framesOut, bytesIn, bytesOut atomic.Uint64
}

func newCounters(rts []route) *counters {
	c := &counters{routes: map[string][]*routeStats{}}
	for _, rt := range rts {
		path := echoPath(rt.path)
		c.routes[path] = append(c.routes[path], &routeStats{route: &rt})
	}
	return c
}

// of returns the place of a request, once the router has seen it.
func (c *counters) of(path, method string) *routeStats {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, rs := range c.routes[path] {
		if rs.method == method || rs.method == anyMethod {
			return rs
		}
	}
	return &c.none
}

// count counts a request that was answered. It is deferred.
func (c *counters) count(e echo.Context, now func() time.Time, start time.Time) {
	rs, w := c.of(e.Path(), e.Request().Method), e.Response()
	rs.statuses.Add(statusPlace(w.Status))
	if w.Status != http.StatusSwitchingProtocols && w.Header().Get("Content-Type") != typeSSE {
		rs.took.Add(now().Sub(start))
	}
}

// ownStatuses are those that the host itself answers with, in order.
var ownStatuses = func() []int {
	list := []int{http.StatusSwitchingProtocols, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent}
	for _, status := range statuses {
		list = append(list, status)
	}
	slices.Sort(list)
	return slices.Compact(list)
}()

// statusPlace returns the place of a status in a table: our own have one each, others one for each hundred.
func statusPlace(status int) int {
	if i, ok := slices.BinarySearch(ownStatuses, status); ok {
		return i
	}
	return len(ownStatuses) + min(max(status/100, 0), 9)
}

// statusName is the inverse of statusPlace.
func statusName(place int) string {
	if place < len(ownStatuses) {
		return strconv.Itoa(ownStatuses[place])
	}
	return strconv.Itoa(place-len(ownStatuses)) + "xx"
}

// Stats returns what the server holds and has done.
func (s *Server) Stats() Stats {
	c, l := s.stats, &s.stats.lines
	all := Stats{
		Requests: map[Requests]uint64{}, Times: map[string]stats.Spread{}, Errors: byCode(&c.errors), AuthFailures: byCode(&c.auth),
		Sockets: s.sockets.count(), SocketsOpened: l.opened.Load(), SlowReaders: l.slow.Load(),
		FramesIn: l.framesIn.Load(), FramesOut: l.framesOut.Load(), BytesIn: l.bytesIn.Load(), BytesOut: l.bytesOut.Load(),
	}
	all.add(NoRoute, &c.none)
	for _, list := range c.routes {
		for _, rs := range list {
			all.add(rs.method+" "+rs.path, rs)
		}
	}
	return all
}

func (s *Stats) add(route string, rs *routeStats) {
	rs.statuses.Each(func(place int, n uint64) { s.Requests[Requests{route, statusName(place)}] += n })
	if took := rs.took.Read(); took.Count() > 0 {
		s.Times[route] = took
	}
}

func byCode(t *stats.Table) map[string]uint64 {
	all := map[string]uint64{}
	t.Each(func(code int, n uint64) { all[abi.Code(code).String()] += n })
	return all
}
