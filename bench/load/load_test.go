package load

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestReadAnswer(t *testing.T) {
	tests := []struct {
		name, in, body string
		status         int
		wantErr        string // substring; empty means success
	}{
		{name: "plain", in: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", status: 200, body: "ok"},
		{name: "name in lower case, no reason", in: "HTTP/1.1 404\r\ncontent-length:1\r\nX: y\r\n\r\nx", status: 404, body: "x"},
		{name: "no body", in: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "chunked", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", wantErr: "Content-Length"},
		{name: "too long", in: "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", wantErr: "Content-Length"},
		{name: "not a length", in: "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", wantErr: "Content-Length"},
		{name: "cut in the body", in: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", wantErr: "unexpected EOF"},
		{name: "cut in the head", in: "HTTP/1.1 200 OK\r\n", wantErr: "unexpected EOF"},
		{name: "nothing", in: "", wantErr: "unexpected EOF"},
		{name: "not HTTP", in: "SSH-2.0-OpenSSH_9.9\r\n", wantErr: "status line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body, err := readAnswer(bufio.NewReader(strings.NewReader(tt.in)), make([]byte, 1))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil || status != tt.status || string(body) != tt.body {
				t.Errorf("readAnswer = %d %q, %v; want %d %q", status, body, err, tt.status, tt.body)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	tests := []struct {
		name string
		in   []int
		p    float64
		want int
	}{
		{"none", nil, 50, 0},
		{"one", []int{7}, 99, 7},
		{"odd", []int{1, 2, 9}, 50, 2},
		{"even takes the lower", []int{1, 2, 3, 4}, 50, 2},
		{"p99 of 100 is not the maximum", hundred, 99, 99},
		{"p100", hundred, 100, 100},
		{"p0", hundred, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Percentile(tt.in, tt.p); got != tt.want {
				t.Errorf("Percentile(%v) = %d, want %d", tt.p, got, tt.want)
			}
		})
	}
}

// answer serves h and returns its address and a request for it.
func answer(t *testing.T, h http.HandlerFunc) (addr string, request []byte) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
}

func TestRun(t *testing.T) {
	var served atomic.Int64
	addr, request := answer(t, func(w http.ResponseWriter, _ *http.Request) { served.Add(1); w.Write([]byte("ok")) })
	var seen [10]atomic.Int64
	check := func(conn, request int, body []byte) error {
		if string(body) != "ok" || conn > 3 {
			return errors.New("wrong answer")
		}
		seen[request].Add(1)
		return nil
	}
	requests := make([][]byte, len(seen))
	for i := range requests {
		requests[i] = request
	}
	c := Config{Addr: addr, Conns: 4, Requests: requests, Check: check}
	r, err := Run(t.Context(), c)
	if err != nil || r.Requests != len(seen) || len(r.Latencies) != len(seen) || served.Load() != int64(len(seen)) {
		t.Fatalf("each once: %d acknowledged, %d served, %v; want %d", r.Requests, served.Load(), err, len(seen))
	}
	for i := range seen {
		if seen[i].Load() != 1 {
			t.Errorf("request %d was sent %d times", i, seen[i].Load())
		}
	}
	c.Duration = 20 * time.Millisecond
	r, err = Run(t.Context(), c)
	if err != nil || r.Elapsed < c.Duration || int64(len(seen)+r.Requests) != served.Load() || r.Rate() <= 0 {
		t.Errorf("repeated: %d acknowledged of %d in %v, %v", r.Requests, served.Load()-int64(len(seen)), r.Elapsed, err)
	}
}

func TestRunFails(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	slow, request := answer(t, func(http.ResponseWriter, *http.Request) { <-block })
	fails, _ := answer(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such actor", 404) })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	one := [][]byte{request}
	tests := []struct {
		name    string
		ctx     context.Context
		c       Config
		wantErr string
	}{
		{"another machine", t.Context(), Config{Addr: "192.0.2.1:80", Conns: 1, Requests: one}, "loopback"},
		{"a name", t.Context(), Config{Addr: "localhost:80", Conns: 1, Requests: one}, "localhost"},
		{"no connections", t.Context(), Config{Addr: slow, Requests: one}, "0 connections"},
		{"too long", t.Context(), Config{Addr: slow, Conns: 1, Requests: one, Duration: time.Hour}, "duration"},
		{"status", t.Context(), Config{Addr: fails, Conns: 1, Requests: one}, "404 no such actor"},
		{"limit", t.Context(), Config{Addr: slow, Conns: 2, Requests: one, Limit: 10 * time.Millisecond}, "timeout"},
		{"stopped", gone, Config{Addr: slow, Conns: 1, Requests: one}, "canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Run(tt.ctx, tt.c)
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) || r.Requests != 0 {
				t.Errorf("Run = %d requests, %v; want an error with %q", r.Requests, err, tt.wantErr)
			}
		})
	}
}
