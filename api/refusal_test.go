package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// BenchmarkRefusal is what it costs to refuse an action because there is too much to do, client and all, beside what
// net/http needs for the least of answers.
func BenchmarkRefusal(b *testing.B) {
	f := newFixture(b, func(c *Config) { c.Logger = nil })
	f.host.busy = &abi.Error{Code: abi.CodeHostBusy, Message: "The namespace asks more than its part of the host can do", Retry: 1e9}
	id := f.actor("counter", "k").String()
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }))
	defer bare.Close()
	req := fmt.Sprintf("POST /gateway/%s/action/work HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\nContent-Length: 11\r\n\r\n{\"args\":[]}", id, f.as(tenants.RoleAdmin))
	for name, url := range map[string]string{"host": f.url, "bare": bare.URL} {
		b.Run(name, func(b *testing.B) {
			c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			r := bufio.NewReader(c)
			b.ReportAllocs()
			for b.Loop() {
				io.WriteString(c, req)
				resp, err := http.ReadResponse(r, nil)
				if err != nil || resp.StatusCode != 503 {
					b.Fatal(resp, err)
				}
				io.Copy(io.Discard, resp.Body)
			}
		})
	}
}
