package metrics

import "github.com/vivarium-run/vivarium/internal/stats"

// requests are what comes by HTTP.
var requests = []*family{
	{
		name: "host_requests_total", kind: "counter", labels: []string{"route", "status"},
		help: "Requests that were answered, by the row of the route table, none for other paths, and the status, such as 4xx for those that only a guest answers with",
		values: func(s *snapshot, add func(float64, ...string)) {
			for r, n := range s.api.Requests {
				add(float64(n), r.Route, r.Status)
			}
		},
	},
	{
		name: "host_request_seconds", kind: "histogram", labels: []string{"route"},
		help: "Time from the head of a request to the end of its answer, without WebSockets and event streams",
		times: func(s *snapshot, add func(stats.Spread, ...string)) {
			for route, t := range s.api.Times {
				add(t, route)
			}
		},
	},
	counters("host_errors_total", "Errors that clients were told, over WebSockets too, by code", "code", func(s *snapshot) map[string]uint64 { return s.api.Errors }),
	counters("host_auth_failures_total", "Requests and WebSockets that had no good token, or one without the right, by code", "code", func(s *snapshot) map[string]uint64 { return s.api.AuthFailures }),
}

// sockets are what goes over WebSockets.
var sockets = []*family{
	gauge("host_sockets", "WebSockets that are open", func(s *snapshot) int { return s.api.Sockets }),
	counter("host_sockets_opened_total", "WebSockets that were opened, those that were refused afterwards too", func(s *snapshot) uint64 { return s.api.SocketsOpened }),
	counter("host_slow_readers_total", "WebSockets that were closed because their client did not read", func(s *snapshot) uint64 { return s.api.SlowReaders }),
	counters("host_socket_frames_total", "Frames of WebSockets, from clients without control frames, by direction", "direction", func(s *snapshot) map[string]uint64 {
		return map[string]uint64{"in": s.api.FramesIn, "out": s.api.FramesOut}
	}),
	counters("host_socket_bytes_total", "Bytes in those frames, by direction", "direction", func(s *snapshot) map[string]uint64 {
		return map[string]uint64{"in": s.api.BytesIn, "out": s.api.BytesOut}
	}),
}
