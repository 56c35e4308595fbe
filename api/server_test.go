package api

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestNewRefuses(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct {
		name    string
		cfg     Config
		wantErr string
	}{
		{"no registry", Config{Keyring: f.keys}, "Registry"},
		{"no keyring", Config{Registry: f.reg}, "Keyring"},
		{"negative timeout", Config{Registry: f.reg, Keyring: f.keys, BodyTimeout: -1}, "timeout"},
	} {
		_, err := newServer(tt.cfg, f.host)
		checkErr(t, err, tt.wantErr)
	}
	_, err := New(Config{Registry: f.reg, Keyring: f.keys})
	checkErr(t, err, "Actors")
}

func TestShutdownWaitsUntilItsContextEnds(t *testing.T) {
	f := newFixture(t)
	s := f.newServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	s.http.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	})
	served := make(chan error)
	go func() { served <- s.Serve(l) }() // ended by Shutdown, awaited below
	asked := make(chan error)
	go func() { // ends when the connection is cut
		resp, err := http.Get("http://" + l.Addr().String())
		if err == nil {
			resp.Body.Close()
		}
		asked <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	checkErr(t, s.Shutdown(ctx), "deadline exceeded")
	if err := <-asked; err == nil {
		t.Error("the request was answered")
	}
	checkErr(t, <-served, "")
	close(release)
	checkErr(t, s.Shutdown(context.Background()), "")
}
