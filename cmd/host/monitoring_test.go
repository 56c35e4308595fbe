package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"

	"github.com/vivarium-run/vivarium/cmd/host/internal/metrics"
)

// selector is a metric in a query, with what selects its series, if anything does.
var selector = regexp.MustCompile(`\b((?:host|process|go)_[a-z_]+)(?:\{((?:[^{}"]|"[^"]*")*)\})?`)

// metricsIn returns the metrics that a query names, with the names of the labels by which it selects.
func metricsIn(query string) map[string][]string {
	all := map[string][]string{}
	for _, m := range selector.FindAllStringSubmatch(query, -1) {
		labels := all[m[1]]
		for _, l := range regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`).FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, l[1])
		}
		all[m[1]] = labels
	}
	return all
}

// checkQuery holds a query to what a host tells.
func checkQuery(t *testing.T, where, query string, told map[string]*dto.MetricFamily) {
	t.Helper()
	found := metricsIn(query)
	if len(found) == 0 && !strings.HasPrefix(query, "up{") {
		t.Errorf("%s: %q names no metric", where, query)
	}
	for name, labels := range found {
		f := told[name]
		if f == nil {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, ok := strings.CutSuffix(name, suffix); ok && told[base].GetType() == dto.MetricType_HISTOGRAM {
					f = told[base]
				}
			}
		}
		if f == nil {
			t.Errorf("%s: %q names %s, which no host tells", where, query, name)
			continue
		}
		for _, l := range labels {
			has := func(p *dto.LabelPair) bool { return p.GetName() == l }
			if l != "job" && l != "instance" && !slices.ContainsFunc(f.GetMetric()[0].GetLabel(), has) {
				t.Errorf("%s: %q selects %s by %s, a label that it has not", where, query, name, l)
			}
		}
	}
}

func TestQueriesAreRead(t *testing.T) {
	got := metricsIn(`sum(rate(host_a_total{job="x", route="POST /gateway/{target}/action/{action}", status=~"5.."}[5m])) / host_b > process_c{x!="{y}"}`)
	if len(got) != 3 || !slices.Equal(got["host_a_total"], []string{"job", "route", "status"}) || !slices.Equal(got["process_c"], []string{"x"}) {
		t.Errorf("got %v", got)
	}
}

// rule is an alert.
type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// checkAlerts holds the alerts to the metrics, and to saying what to do.
func checkAlerts(t *testing.T, told map[string]*dto.MetricFamily) {
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	d := yaml.NewDecoder(strings.NewReader(page(t, "deploy/prometheus/alerts.yml")))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if !strings.HasPrefix(r.Alert, "Vivarium") || seen[r.Alert] {
				t.Errorf("the name %q is not ours, or is there twice", r.Alert)
			}
			seen[r.Alert] = true
			if s := r.Labels["severity"]; s != "page" && s != "ticket" || len(r.Annotations["summary"]) < 20 || len(r.Annotations["action"]) < 20 || len(r.Annotations) != 2 {
				t.Errorf("%s does not say how grave it is, what is wrong and what to do", r.Alert)
			}
			checkQuery(t, r.Alert, r.Expr, told)
		}
	}
	if len(seen) < 20 {
		t.Errorf("there are %d alerts", len(seen))
	}
}

// checkDashboard holds the dashboard to the metrics, and to what Grafana reads.
func checkDashboard(t *testing.T, told map[string]*dto.MetricFamily) {
	var board struct {
		UID, Title    string
		SchemaVersion int
		Templating    struct {
			List []struct{ Name, Type, Query string }
		}
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			Datasource  struct{ UID string }
			Targets     []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal([]byte(page(t, "deploy/grafana/vivarium.json")), &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title == "" || board.SchemaVersion < 36 || len(board.Templating.List) != 3 {
		t.Errorf("the board is %q %q, schema %d, with %d variables", board.UID, board.Title, board.SchemaVersion, len(board.Templating.List))
	}
	ids, shown := map[int]bool{}, map[string]bool{}
	for _, p := range board.Panels {
		if at := p.GridPos; ids[p.ID] || p.Title == "" || at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("panel %d %q at %+v: its id is there twice, or it has no title or no place", p.ID, p.Title, at)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Type != "timeseries" && p.Type != "stat" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %q is a %s of %q with %d queries", p.Title, p.Type, p.Datasource.UID, len(p.Targets))
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.RefID == "" || refs[q.RefID] {
				t.Errorf("panel %q has the query %q twice", p.Title, q.RefID)
			}
			refs[q.RefID] = true
			checkQuery(t, p.Title, q.Expr, told)
			for name := range metricsIn(q.Expr) {
				shown[strings.TrimSuffix(name, "_bucket")] = true
			}
		}
	}
	for _, r := range metrics.Rows() {
		if !shown[r.Name] && !slices.Contains(notShown, r.Name) {
			t.Errorf("the dashboard does not show %s", r.Name)
		}
	}
}

// notShown are metrics that say something only beside others.
var notShown = []string{"host_build_info", "host_memories", "host_images", "host_versions", "host_mapped_bytes", "host_sleeping_memories", "host_log_lines_dropped_total"}
