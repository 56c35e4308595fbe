//go:build wasip1

package main

import (
	"crypto/rand"

	pdk "github.com/extism/go-pdk"
)

// setVar and getVar use the actor's Extism vars, beside the SDK.
func setVar(_ *ctx, name, value string) error {
	pdk.SetVar(name, []byte(value))
	return nil
}

func getVar(_ *ctx, name string) (string, error) { return string(pdk.GetVar(name)), nil }

// entropy reads randomness by WASI.
func entropy(_ *ctx, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := rand.Read(b)
	return b, err
}
