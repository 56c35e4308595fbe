package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/tenants"
)

// derivation asks a host for a token that can do no more than another.
type derivation struct {
	Role    string          `json:"role,omitempty"`
	Subject string          `json:"subject,omitempty"`
	TTL     int64           `json:"ttl,omitempty"` // seconds
	Limits  *tenants.Limits `json:"limits,omitempty"`
}

func (d derivation) print(ctx context.Context, ui *ui, c *client.Client, namespace string) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	var answer struct {
		Token   string `json:"token"`
		Expires int64  `json:"expires_ts"`
	}
	path := "/namespaces/" + url.PathEscape(namespace) + "/tokens"
	if err := c.Fetch(ctx, client.Request{Method: http.MethodPost, Path: path, Body: body}, &answer); err != nil {
		return err
	}
	ui.print(answer.Token, map[string]any{"token": answer.Token, "expires": time.UnixMilli(answer.Expires).UTC()})
	return nil
}

// namespaceOf returns the namespace that a token says it is for. It is not checked: the host does that.
func namespaceOf(token string) string {
	var claims struct {
		Namespace string `json:"ns"`
	}
	_, rest, _ := strings.Cut(token, ".")
	doc, _, _ := strings.Cut(rest, ".")
	if b, err := base64.RawURLEncoding.DecodeString(doc); err != nil || json.Unmarshal(b, &claims) != nil || claims.Namespace == "" {
		return string(tenants.Default)
	}
	return claims.Namespace
}
