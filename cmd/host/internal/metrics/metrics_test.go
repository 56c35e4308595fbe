package metrics

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api"
	"github.com/vivarium-run/vivarium/internal/stats"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// Names carry their unit, and each is there once with a help text.
func TestNames(t *testing.T) {
	units := map[string]string{"counter": `^host_[a-z_]+_total$`, "histogram": `^host_[a-z_]+_seconds$`, "gauge": `^host_[a-z_]+$`}
	seen := map[string]bool{}
	for _, r := range Rows() {
		if !regexp.MustCompile(units[r.Kind]).MatchString(r.Name) || seen[r.Name] || len(r.Help) < 10 || r.Kind == "gauge" && strings.HasSuffix(r.Name, "_total") {
			t.Errorf("%+v: a name without its unit, or twice, or no help", r)
		}
		seen[r.Name] = true
	}
}

// A histogram has what is below each bound, in seconds, and what is above all of them.
func TestHistogram(t *testing.T) {
	var syncs stats.Times
	for _, d := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, time.Hour} {
		syncs.Add(d)
	}
	r := Registry(Sources{
		API: func() api.Stats { return api.Stats{} }, Actors: func() actors.Stats { return actors.Stats{} },
		Sandbox: func() sandbox.Stats { return sandbox.Stats{} }, Store: func() badgerkv.Stats { return badgerkv.Stats{Syncs: syncs.Read()} },
		Namespaces: func() []tenants.NamespaceStats { return nil }, Logger: slog.New(slog.DiscardHandler),
	})
	var want strings.Builder
	want.WriteString("# HELP host_commit_seconds Time of a transaction until it is synced\n# TYPE host_commit_seconds histogram\n")
	for _, b := range []string{"0.0001 1", "0.00025 1", "0.0005 1", "0.001 2", "0.0025 3", "0.005 3", "0.01 3", "0.025 3", "0.05 3", "0.1 3", "0.25 3", "0.5 3", "1 3", "2.5 3", "5 3", "10 3", "30 3", "60 3", "+Inf 4"} {
		le, n, _ := strings.Cut(b, " ")
		want.WriteString(`host_commit_seconds_bucket{le="` + le + `"} ` + n + "\n")
	}
	want.WriteString("host_commit_seconds_sum 3600.003\nhost_commit_seconds_count 4\n")
	if err := testutil.GatherAndCompare(r, strings.NewReader(want.String()), "host_commit_seconds"); err != nil {
		t.Error(err)
	}
}

// However many namespaces there are, so many are told one by one, and the sums are right.
func TestNamespacesAreBounded(t *testing.T) {
	var list []tenants.NamespaceStats
	for i := range 10_000 {
		n := tenants.NamespaceStats{Namespace: tenants.ID(fmt.Sprint("n", i)), Held: map[tenants.Quota]int64{tenants.QuotaModules: 2}}
		n.Used[tenants.UsedTurns] = 3
		list = append(list, n)
	}
	for _, f := range namespaces {
		seen, sums := map[string]bool{}, map[string]float64{}
		f.values(&snapshot{namespaces: list}, func(v float64, labels ...string) {
			seen[labels[0]] = true
			sums[labels[1]] += v
		})
		if len(seen) != maxNamespaces+1 || !seen["n0"] || !seen[others] || seen["n100"] {
			t.Errorf("%s tells of %d namespaces", f.name, len(seen))
		}
		if sums["turns"] != 30_000 && sums["modules"] != 20_000 {
			t.Errorf("%s adds up to %v", f.name, sums)
		}
	}
	if _, err := tenants.ParseID(others); err == nil {
		t.Error("a namespace can be called as the others are")
	}
}
