//go:build !wasip1

package main

import "errors"

var errGuestOnly = errors.New("only in a guest")

func setVar(_ *ctx, _, _ string) error { return errGuestOnly }

func getVar(_ *ctx, _ string) (string, error) { return "", errGuestOnly }

func entropy(_ *ctx, _ int) ([]byte, error) { return nil, errGuestOnly }
