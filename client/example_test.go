package client_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/client"
)

// A counter that tells everybody, and refuses nobody.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.New(endpoint, client.Options{Token: token})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	lobby := c.GetOrCreate("kitchen", "example", "lobby")

	conn, err := lobby.Connect(ctx, client.ConnOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	counted := make(chan int)
	conn.On("count", func(e client.Event) {
		var n int
		if err := e.Decode(&n); err == nil {
			counted <- n
		}
	})
	if err := client.Do(ctx, conn, "get"); err != nil { // from here on the actor knows who listens
		log.Fatal(err)
	}

	n, err := client.Call[int](ctx, lobby, "inc", 2)
	fmt.Println(n, err, <-counted)
	err = client.Do(ctx, lobby, "fail")
	fmt.Println(client.Is(err, "user/bad_name"), err)
	// Output:
	// 2 <nil> 2
	// true bad name (user/bad_name) {"min":3}
}

// An actor's own handler of HTTP, through an ordinary http.Client.
func ExampleHandle_RoundTrip() {
	c, err := client.New(endpoint, client.Options{Token: token})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	web := http.Client{Transport: c.GetOrCreate("kitchen", "example", "web")}
	resp, err := web.Post("http://actor/greet?lang=en", "text/plain", strings.NewReader("hello"))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body), err)
	// Output: 200 {"body":"hello","method":"POST","mine":"","url":"/greet?lang=en"} <nil>
}

// A message that is handled before its sender goes on.
func ExampleSendAndWait() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.New(endpoint, client.Options{Token: token})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	type done struct{ Echoed string }
	d, err := client.SendAndWait[done](ctx, c.GetOrCreate("kitchen", "example", "jobs"), "done", "paint", time.Minute)
	fmt.Println(d.Echoed, err)
	// Output: paint <nil>
}
