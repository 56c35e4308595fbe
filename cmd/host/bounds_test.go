package main

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"
)

func TestBoundFlags(t *testing.T) {
	tests := []struct {
		name    string
		f       boundFlags
		wantErr string // substring; empty means success
	}{
		{"fine", boundFlags{1, 1, 0, 1000}, ""},
		{"a part of a request a second", boundFlags{1, 1, 0.5, 1000}, ""},
		{"fewest instances", boundFlags{1, 1, 0, minInstances}, ""},
		{"too few instances", boundFlags{1, 1, 0, minInstances - 1}, "--max-instances:"},
		{"more instances than mappings", boundFlags{1, 1, 0, maxInstances + 1}, "--max-instances:"},
		{"no connections", boundFlags{0, 1, 0, 1000}, "--max-connections:"},
		{"none of a client", boundFlags{1, -1, 0, 1000}, "--max-connections-per-client:"},
		{"less than no rate", boundFlags{1, 1, -1, 1000}, "--client-rate:"},
		{"no number", boundFlags{1, 1, math.NaN(), 1000}, "--client-rate:"},
		{"beyond all numbers", boundFlags{1, 1, math.Inf(1), 1000}, "--client-rate:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c nodeConfig
			err := tt.f.apply(&c)
			if tt.wantErr == "" && (err != nil || c.bounds != tt.f) || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Errorf("%+v: %v, want %q", tt.f, err, tt.wantErr)
			}
		})
	}
}

// No connection takes a descriptor that the store needs.
func TestConnectionsWithinDescriptors(t *testing.T) {
	most := maxDescriptors()
	if most < 64 {
		t.Fatalf("the process may open %d files", most)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	if got := withinDescriptors(1, log); got != 1 || out.Len() > 0 {
		t.Errorf("one connection: %d %s", got, &out)
	}
	if got := withinDescriptors(math.MaxInt, log); got > most/4*3 || !strings.Contains(out.String(), "too few files") {
		t.Errorf("as many as can be: %d of %d, %s", got, most, &out)
	}
}
