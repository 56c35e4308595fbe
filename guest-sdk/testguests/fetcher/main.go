//go:build wasip1

// Command fetcher is a plain Extism plug-in, for tests, that fetches what its input names.
package main

import (
	"fmt"

	"github.com/extism/go-pdk"
)

// get posts "body" to the URL in the input and gives status, a header and the body of the answer.
//
//go:wasmexport get
func get() int32 {
	r := pdk.NewHTTPRequest(pdk.MethodPost, pdk.InputString())
	r.SetHeader("X-Key", "value")
	r.SetBody([]byte("body"))
	a := r.Send()
	pdk.OutputString(fmt.Sprintf("%d %s %s", a.Status(), a.Headers()["x-answer"], a.Body()))
	return 0
}

//go:wasmimport vivarium task_timer
func taskTimer(ms int64, context string) int64

// timer begins a task and gives what the host says to that.
//
//go:wasmexport timer
func timer() int32 {
	pdk.OutputString(fmt.Sprint(taskTimer(1, "")))
	return 0
}

func main() {}
