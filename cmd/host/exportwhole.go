package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/kv"
)

// exportWhole writes the file of a namespace.
func exportWhole(ctx context.Context, ui *ui, c *client.Client, namespace, output string) error {
	check := &wholeVisitor{}
	n, err := exportTo(output, func(w io.Writer) error {
		return fetchExport(ctx, c, "/namespaces/"+url.PathEscape(namespace)+"/export", w)
	}, check)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("wrote %s: %d bytes, %d rows, %d modules", output, n.Bytes, n.Rows, n.Modules)
	ui.print(text+secretsToSet(check.secrets),
		map[string]any{"file": output, "bytes": n.Bytes, "rows": n.Rows, "modules": n.Modules, "secrets": check.secrets})
	return nil
}

// wholeVisitor takes from a namespace's file what is said to who exports it.
type wholeVisitor struct {
	anyVisitor
	secrets []string
}

func (v *wholeVisitor) Row(it kv.Item) error {
	if string(it.Key) != "n" {
		return nil
	}
	var head struct {
		Secrets []string `json:"secrets"`
	}
	err := json.Unmarshal(it.Value, &head)
	v.secrets = head.Secrets
	return err
}

// secretsToSet names secrets whose values are not in the file.
func secretsToSet(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return harmless("; secrets to set again: " + strings.Join(names, ", "))
}

// sendNamespace has a host import a namespace. The file is sent as it is read.
func sendNamespace(ctx context.Context, ui *ui, c *client.Client, file, as string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	query := url.Values{}
	if as != "" {
		query.Set("as", as)
	}
	var answer struct {
		Namespace struct {
			Name string `json:"name"`
		} `json:"namespace"`
		Actors   int      `json:"actors"`
		Modules  int      `json:"modules"`
		Versions int      `json:"versions"`
		Secrets  []string `json:"secrets"`
	}
	r := client.Request{Method: http.MethodPost, Path: "/namespaces/import", Query: query, ContentType: "application/octet-stream", Stream: f}
	if err := c.Fetch(ctx, r, &answer); err != nil {
		return err
	}
	text := fmt.Sprintf("%s has %d actors, %d modules, %d versions", answer.Namespace.Name, answer.Actors, answer.Modules, answer.Versions)
	ui.print(harmless(text)+secretsToSet(answer.Secrets), map[string]any{
		"namespace": answer.Namespace.Name, "actors": answer.Actors, "modules": answer.Modules, "versions": answer.Versions, "secrets": answer.Secrets})
	return nil
}
