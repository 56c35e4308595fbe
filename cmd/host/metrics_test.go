package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/cmd/host/internal/metrics"
	"github.com/vivarium-run/vivarium/internal/hosttest"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// measured is a node that also listens for a scraper.
type measured struct {
	*process
	scrapes string // the URL
}

func startMeasured(t *testing.T) *measured {
	t.Helper()
	addr := hosttest.FreeAddr(t)
	n, err := startNode(nodeConfig{
		data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0", metrics: addr, key: make([]byte, 32), dev: true,
		log: slog.New(slog.DiscardHandler), minFree: 1, allowLoopback: []string{addr},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Error(err)
		}
	})
	return &measured{reach(t, n.url()), "http://" + addr}
}

// scrape returns what a scraper gets.
func (m *measured) scrape() string {
	m.t.Helper()
	resp, err := http.Get(m.scrapes + metrics.Path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		m.t.Fatalf("scrape: %d %s %v", resp.StatusCode, b, err)
	}
	return string(b)
}

func families(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	all, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return all
}

// value returns the value of a series, or how many values a histogram has; zero if there is none.
func value(f *dto.MetricFamily, labels ...string) float64 {
	sum := 0.0
next:
	for _, m := range f.GetMetric() {
		for i, l := range m.GetLabel() {
			if i < len(labels) && labels[i] != l.GetValue() {
				continue next
			}
		}
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return sum
}

// series counts the lines of values.
func series(text string) (n int) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return n
}

// traffic does a little of everything that is told.
func (m *measured) traffic() {
	t := m.t
	m.upload("counter", "examples/wasm/counter")
	m.upload("script", actorstest.ScriptGuest)
	id := m.actor("", "counter", "a")
	for range 3 {
		m.output("", id, "increment", "[1]")
	}
	m.call("", id, "fail", "[]")
	m.request("GET", "/actors/nobody", "", nil)
	m.request("GET", "/actors", "no.good.token", nil)
	s := m.actor("", "script", "a")
	do := func(steps ...actorstest.Step) {
		t.Helper()
		if a := m.request("POST", "/gateway/"+s+"/action/do", "", script(t, steps...)); a.status != 200 {
			t.Fatalf("do: %s", a)
		}
	}
	do(actorstest.S("fetch", map[string]any{"url": m.scrapes + metrics.Path}, ""))
	do(actorstest.S("schedule_set", map[string]any{"after": 1, "action": "nop"}, "[]"))
	kvtest.Eventually(t, "the schedule", func() bool { return value(families(t, m.scrape())["host_schedule_delay_seconds"]) == 1 })
}

func (m *measured) upload(module, guest string) {
	m.t.Helper()
	if a := m.request("PUT", "/modules/"+module, "", actorstest.Guest(m.t, guest)); a.status != http.StatusCreated {
		m.t.Fatalf("upload: %s", a)
	}
}

// TestMetrics looks at a host after a little traffic.
func TestMetrics(t *testing.T) {
	m := startMeasured(t)
	m.traffic()
	told := families(t, m.scrape())
	t.Run("told", func(t *testing.T) { checkTold(t, m.scrape()) })
	t.Run("alerts", func(t *testing.T) { checkAlerts(t, told) })
	t.Run("dashboard", func(t *testing.T) { checkDashboard(t, told) })
	t.Run("listener", func(t *testing.T) { checkListener(t, m) })
	t.Run("names", func(t *testing.T) { checkNames(t, m) })
}

// checkTold: what is told is what happened, in a form that Prometheus' own linter has nothing to say about, and every metric
// of the table is there.
func checkTold(t *testing.T, text string) {
	all := families(t, text)
	for _, tt := range []struct {
		name   string
		labels []string // values, in the order of the names
		want   float64
	}{
		{"host_requests_total", []string{"PUT /modules/{module}", "201"}, 2},
		{"host_requests_total", []string{"POST /gateway/{target}/action/{action}", "400"}, 1},
		{"host_request_seconds", []string{"PUT /modules/{module}"}, 2},
		{"host_uploads_total", []string{"new"}, 2},
		{"host_turns_total", []string{"action", "user"}, 1},
		{"host_turns_total", []string{"create", "ok"}, 2},
		{"host_errors_total", []string{"user/user_error"}, 1},
		{"host_auth_failures_total", []string{"auth/unauthenticated"}, 1},
		{"host_fetches_total", []string{"egress/denied"}, 1},
		{"host_actors_awake", nil, 2},
		{"host_instances_max", nil, 1000},
		{"host_build_info", []string{version()}, 1},
		{"host_draining", nil, 0},
		{"host_disk_min_free_bytes", nil, 1},
	} {
		if got := value(all[tt.name], tt.labels...); got != tt.want {
			t.Errorf("%s%v is %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	for _, name := range []string{
		"host_turn_seconds", "host_commit_seconds", "host_commit_groups_total", "host_commit_deltas_total", "host_commit_bytes_total", "host_gas_total",
		"host_run_slots", "host_run_slot_wait_seconds", "host_versions", "host_memories", "host_compiles_total", "host_disk_free_bytes",
		"go_goroutines", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
	} {
		if value(all[name]) <= 0 {
			t.Errorf("%s is %v after some traffic", name, value(all[name]))
		}
	}
	for _, r := range metrics.Rows() {
		if f := all[r.Name]; f == nil && r.Labels == "" || f != nil && strings.ToLower(f.GetType().String()) != r.Kind {
			t.Errorf("%s is told as %v, want a %s", r.Name, f.GetType(), r.Kind)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// checkListener: the listener of its own serves the metrics and nothing else, whatever it is asked, and no guest reaches it,
// even if the operator lists it. On the public port only an operator gets them.
func checkListener(t *testing.T, m *measured) {
	scraper := reach(t, m.scrapes)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/metrics", 200}, {"HEAD", "/metrics", 200}, {"POST", "/metrics", 405}, {"DELETE", "/metrics", 405},
		{"GET", "/", 404}, {"GET", "/healthz", 404}, {"GET", "/actors", 404}, {"POST", "/backup", 404}, {"GET", "/debug/pprof/", 404}, {"GET", "/metrics/", 404},
	} {
		if a := scraper.request(tt.method, tt.path, "", nil); a.status != tt.want {
			t.Errorf("%s %s: %s", tt.method, tt.path, a)
		}
	}
	keys, err := tenants.NewKeyring(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	operator, err := keys.Sign(tenants.Claims{Role: tenants.RoleOperator, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if a := m.request("GET", "/metrics", operator, nil); a.status != 200 || families(t, string(a.body))["host_build_info"] == nil {
		t.Errorf("an operator gets %s", a)
	}
	if a := m.request("GET", "/metrics", "", nil); a.status != 403 { // dev's admin
		t.Errorf("who has no token gets %s", a)
	}
	if a := m.request("PATCH", "/modules/script", "", fmt.Sprintf(`{"grants":{"egress":[%q]}}`, m.scrapes)); a.status != 200 {
		t.Fatalf("grant: %s", a)
	}
	id := m.actor("", "script", "a")
	a := m.request("POST", "/gateway/"+id+"/action/do", "", script(t, actorstest.S("fetch", map[string]any{"url": m.scrapes + metrics.Path}, ""), actorstest.S("result")))
	if a.status != 200 || strings.Contains(string(a.body), "host_build_info") || !strings.Contains(string(a.body), `"n":-61`) {
		t.Errorf("a guest that fetches the metrics gets %s", a)
	}
}

// maxSeries bounds what there may be however tenants and clients name what they have; see docs/operating.md.
const maxSeries = 1000

// checkNames: names that tenants and clients choose make no series, however many there are.
func checkNames(t *testing.T, m *measured) {
	bomb := func(i int) {
		name := fmt.Sprintf("marker-%d", i)
		for _, path := range []string{
			"/gateway/" + name + "/action/x?rvt-method=getOrCreate&rvt-key=a", "/gateway/counter/action/" + name + "?rvt-method=get&rvt-key=" + name,
			"/" + name, "/modules/" + name, "/actors?name=counter&key=" + name,
		} {
			method, body := "GET", any(nil)
			if strings.HasPrefix(path, "/gateway") {
				method, body = "POST", `{"args":[]}`
			}
			if _, err := m.try(method, path, "", body); err != nil {
				t.Error(err)
			}
		}
	}
	bomb(0)
	m.actor("", "counter", "marker")
	m.scrape()
	before := m.scrape()
	work := make(chan int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { // ends when work is closed
			for i := range work {
				bomb(i)
				if i%20 == 0 {
					m.actor("", "counter", fmt.Sprintf("marker%d", i))
				}
			}
		})
	}
	for i := range 1000 { // times five
		work <- i + 1
	}
	close(work)
	wg.Wait()
	after := m.scrape()
	if series(after) != series(before) || series(after) > maxSeries {
		t.Errorf("%d series before, %d after 5,000 made-up names, at most %d:\n%s", series(before), series(after), maxSeries, after)
	}
	if strings.Contains(after, "marker") {
		t.Error("a name of a tenant is told")
	}
	t.Logf("%d series, %d bytes", series(after), len(after))
}
