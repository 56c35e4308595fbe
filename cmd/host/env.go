package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/vivarium-run/vivarium/tenants"
)

// devEnv is what `host dev` takes from a file .env, which git ignores: what guests may reach, and
// what they may send there without seeing it.
type devEnv struct {
	egress  []string // allowed hosts, in the order of the file
	secrets map[string]devSecret
}

// devSecret is a value that goes to one host, or, if host is empty, to each that is allowed.
type devSecret struct{ value, host string }

const (
	envEgress = "VIVARIUM_EGRESS"
	envSecret = "VIVARIUM_SECRET_"
	envPrefix = "VIVARIUM_"
)

// readEnvFile reads a .env file. One that is not there is empty.
func readEnvFile(path string) (devEnv, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return devEnv{}, nil
	}
	if err != nil {
		return devEnv{}, err
	}
	defer f.Close()
	e, err := readEnv(f)
	if err != nil {
		return devEnv{}, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

// readEnv reads lines of the forms
//
//	VIVARIUM_EGRESS=api.example.com,*.example.org,http://127.0.0.1:8081
//	VIVARIUM_SECRET_NAME=value@api.example.com
//	VIVARIUM_SECRET_NAME="value with @ and spaces"
//
// and leaves alone those of other programs. Other names that begin with VIVARIUM_ are errors, since
// they would not do what they say. Errors name a line, never a value.
func readEnv(r io.Reader) (devEnv, error) {
	e := devEnv{secrets: map[string]devSecret{}}
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		name, value, ok := ourLine(lines.Text())
		if !ok {
			continue
		}
		err := errors.New("it is there twice")
		if !seen[name] {
			err = e.set(name, value)
		}
		if err != nil {
			return devEnv{}, fmt.Errorf("line %d: %.80s: %w", n, name, err)
		}
		seen[name] = true
	}
	return e, lines.Err()
}

// ourLine takes a line apart, if it is about a variable of ours.
func ourLine(line string) (name, value string, ok bool) {
	line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
	line = strings.TrimSpace(strings.TrimPrefix(line, "export "))
	if !strings.HasPrefix(line, envPrefix) {
		return "", "", false
	}
	name, value, _ = strings.Cut(line, "=")
	return strings.TrimRight(name, " \t"), strings.TrimSpace(value), true
}

func (e *devEnv) set(name, value string) error {
	secret, isSecret := strings.CutPrefix(name, envSecret)
	switch {
	case name == envEgress:
		return e.setEgress(value)
	case !isSecret:
		return errors.New("this name means nothing in this file; hosts are in " + envEgress + ", secrets in " + envSecret + "NAME")
	case !tenants.ValidSecretName(secret):
		return errors.New("a secret's name has capital letters, digits and underscores")
	}
	s, err := parseSecret(value)
	e.secrets[secret] = s
	return err
}

func (e *devEnv) setEgress(value string) error {
	for host := range strings.SplitSeq(value, ",") {
		host = strings.TrimSpace(host)
		if host == "" || strings.ContainsAny(host, " \t\"'@#") {
			return errors.New("it is a list of hosts with commas between them")
		}
		e.egress = append(e.egress, host)
	}
	return nil
}

// parseSecret reads value[@host]. An @ within a value without quotes is an error, rather than a guess
// at what a secret is and whom it is for.
func parseSecret(s string) (devSecret, error) {
	value, host, bound := strings.Cut(s, "@")
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		end := strings.LastIndexByte(s, s[0])
		if end == 0 {
			return devSecret{}, errors.New("the quotation mark is not closed")
		}
		value = s[1:end]
		host, bound = strings.CutPrefix(s[end+1:], "@")
		if !bound && host != "" {
			return devSecret{}, errors.New("after the quotes comes @ and a host, or nothing")
		}
	} else if strings.ContainsAny(value, " \t\"'#") {
		return devSecret{}, errors.New("a value with spaces, quotes or # needs quotes around it")
	}
	switch {
	case value == "":
		return devSecret{}, errors.New("the value is empty")
	case bound && !hostName(host):
		return devSecret{}, errors.New("after the @ comes a host; a value with an @ needs quotes around it")
	}
	return devSecret{value, strings.ToLower(host)}, nil
}

// hostName reports whether s looks like a host: a name with a dot, an address or localhost. A port is
// refused: a secret belongs to a host.
func hostName(s string) bool {
	if s == "localhost" || strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return true
	}
	return strings.Contains(s, ".") && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || strings.ContainsRune("@:/\\\"'#*,", r)
	}) < 0
}

// loopback returns the allowed hosts that are written as this machine's: the developer who writes one down
// means it.
func (e *devEnv) loopback() (list []string) {
	for _, h := range e.egress {
		u, err := url.Parse(h)
		if err != nil || u.Scheme == "" || u.Port() == "" {
			continue
		}
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			list = append(list, u.Host)
		}
	}
	return list
}

// secret returns the value of a secret for a host.
func (e *devEnv) secret(name, host string) (string, error) {
	s, ok := e.secrets[name]
	if !ok || s.host != "" && strings.Trim(s.host, "[]") != host {
		return "", errors.New("there is no such secret for the host")
	}
	return s.value, nil
}
