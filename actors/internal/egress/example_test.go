package egress_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/vivarium-run/vivarium/actors/internal/egress"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the key is %s", r.Header.Get("Authorization"))
	}))
	defer server.Close()
	address := server.Listener.Addr().String()

	client, err := egress.New(egress.Config{AllowLoopback: []string{address}})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	module, namespace := []string{"http://" + address, "api.example.com"}, []string{"http://" + address}
	policy, err := egress.NewPolicy(module, namespace)
	if err != nil {
		panic(err)
	}
	policy.Secrets = func(name, host string) (string, error) { return "sesame-open", nil }

	answer, err := client.Do(context.Background(), "acme", policy, abi.FetchRequest{
		URL:     "http://" + address,
		Secrets: map[string]string{"authorization": "Bearer {secret:API_KEY}"},
	}, nil)
	if err != nil {
		panic(err)
	}
	text, err := answer.ReadAll(0)
	fmt.Println(answer.Status, string(text), err)

	_, err = client.Do(context.Background(), "acme", policy, abi.FetchRequest{URL: "https://api.example.com"}, nil)
	fmt.Println(err)
	// Output:
	// 200 the key is Bearer *** <nil>
	// egress/denied: the host is not allowed, or not with this scheme and port
}
