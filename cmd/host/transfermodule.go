package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// The export of a module is made of what a host says of it on the routes that are there anyway, and an import uploads each
// version again: what is in the file is as strange to the host as any upload, and goes the same way. Rows are one document for
// the module and one for each version; their bytes follow in the order of the versions. Config, grants and a canary
// stay behind: they are decisions of a namespace, not parts of the program.

// exportedModule is the first row.
type exportedModule struct {
	Module   string `json:"module"`
	Live     int    `json:"live"`
	Versions int    `json:"versions"`
}

// exportedVersion is each row after it.
type exportedVersion struct {
	Version int               `json:"version"`
	Digest  tenants.Digest    `json:"digest"`
	Bytes   int64             `json:"bytes"`
	Input   string            `json:"input,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Note    string            `json:"note,omitempty"`
}

// maxExportedVersions bounds the versions in a file, as a registry does.
const maxExportedVersions = 10_000

// exportModule writes a module with all its versions.
func exportModule(ctx context.Context, c *client.Client, name string, w io.Writer) error {
	path := "/modules/" + url.PathEscape(name)
	var m exportedModule
	var list struct{ Versions []exportedVersion }
	if err := c.Fetch(ctx, client.Request{Path: path}, &m); err != nil {
		return err
	}
	if err := c.Fetch(ctx, client.Request{Path: path + "/versions"}, &list); err != nil {
		return err
	}
	out, err := archive.NewWriter(w, exportInfo(archive.Module))
	if err != nil {
		return err
	}
	m.Versions = len(list.Versions)
	if err := putDoc(out, "module", m); err != nil {
		return err
	}
	for _, v := range list.Versions {
		if err := putDoc(out, "version", v); err != nil {
			return err
		}
	}
	for _, v := range list.Versions {
		if err := exportVersion(ctx, c, path, v, out); err != nil {
			return err
		}
	}
	_, err = out.Close()
	return err
}

func putDoc(out *archive.Writer, key string, v any) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return out.Row(kv.Item{Key: []byte(key), Value: doc})
}

func exportVersion(ctx context.Context, c *client.Client, path string, v exportedVersion, out *archive.Writer) error {
	resp, err := c.Open(ctx, client.Request{Path: path + "/versions/" + strconv.Itoa(v.Version) + "/wasm"})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return out.Module(archive.Digest(v.Digest), v.Bytes, resp.Body)
}

// moduleVisitor reads the export of a module, and hands each version to take; nil only checks.
type moduleVisitor struct {
	module   exportedModule
	versions []exportedVersion
	seen     int // bodies
	take     func(exportedVersion, []byte) error
}

func (v *moduleVisitor) Info(i archive.Info) error { return checkExport(i, archive.Module) }

func (v *moduleVisitor) Row(it kv.Item) error {
	switch n := len(v.versions); {
	case v.module.Module == "" && string(it.Key) == "module":
		if strictJSON(it.Value, &v.module) != nil || !tenants.ValidName(v.module.Module) || v.module.Versions < 1 || v.module.Versions > maxExportedVersions ||
			v.module.Live < 0 || v.module.Live > v.module.Versions {
			return faultf("export/damaged", "the module is none")
		}
	case v.module.Module != "" && string(it.Key) == "version" && n < v.module.Versions:
		var one exportedVersion
		if strictJSON(it.Value, &one) != nil || one.Version != n+1 || one.Bytes < 0 || one.Bytes > actors.MaxModule {
			return faultf("export/damaged", "version %d is none", n+1)
		}
		v.versions = append(v.versions, one)
	default:
		return faultf("export/damaged", "there is a row that the export of a module does not have")
	}
	return nil
}

func (v *moduleVisitor) Module(d archive.Digest, size int64, body io.Reader) error {
	if v.seen >= len(v.versions) || len(v.versions) != v.module.Versions {
		return faultf("export/damaged", "there are bytes of no version")
	}
	one := v.versions[v.seen]
	if archive.Digest(one.Digest) != d || one.Bytes != size {
		return faultf("export/damaged", "version %d has the bytes of another", one.Version)
	}
	v.seen++
	if v.take == nil {
		return nil
	}
	wasm, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return v.take(one, wasm)
}

// strictJSON decodes a document that has no more than v.
func strictJSON(doc []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("there is more than one document")
	}
	return nil
}

// readModule reads the file of a module.
func readModule(file string, v *moduleVisitor) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := archive.Read(f, v); err != nil {
		return describeExport(err)
	}
	if v.seen != v.module.Versions || v.module.Module == "" {
		return faultf("export/damaged", "versions are missing")
	}
	return nil
}

// importModule uploads each version, and makes the same one live. If anything fails the module goes again.
func importModule(ctx context.Context, ui *ui, c *client.Client, file string) (err error) {
	check := &moduleVisitor{}
	if err := readModule(file, check); err != nil {
		return err
	}
	name := check.module.Module
	path := "/modules/" + url.PathEscape(name)
	var there json.RawMessage
	switch err := c.Fetch(ctx, client.Request{Path: path}, &there); {
	case err == nil:
		return faultf("module/exists", "the namespace has a module %s: delete it first, or import elsewhere", name)
	case !isCode(err, "module", "not_found"):
		return err
	}
	ours := false // its first version was new, so nobody else has made the module
	defer func() {
		if err != nil && ours {
			err = errors.Join(err, deleteAgain(context.WithoutCancel(ctx), c, path))
		}
	}()
	upload := func(v exportedVersion, wasm []byte) error {
		err := uploadVersion(ctx, c, path, v, wasm)
		ours = ours || err == nil
		return err
	}
	if err := readModule(file, &moduleVisitor{take: upload}); err != nil {
		return err
	}
	if check.module.Live > 0 {
		body := fmt.Appendf(nil, `{"live":%d}`, check.module.Live)
		if err := c.Fetch(ctx, client.Request{Method: http.MethodPatch, Path: path, Body: body}, &there); err != nil {
			return err
		}
	}
	ui.print(fmt.Sprintf("%s has %d versions, live is %d", name, check.module.Versions, check.module.Live),
		map[string]any{"module": name, "versions": check.module.Versions, "live": check.module.Live})
	return nil
}

// deleteAgain takes back what was uploaded.
func deleteAgain(ctx context.Context, c *client.Client, path string) error {
	resp, err := c.Open(ctx, client.Request{Method: http.MethodDelete, Path: path})
	if err != nil {
		return fmt.Errorf("what was uploaded is left: %w", err)
	}
	return resp.Body.Close()
}

// uploadVersion uploads one version, which must be new and get the number that it had.
func uploadVersion(ctx context.Context, c *client.Client, path string, v exportedVersion, wasm []byte) error {
	query := url.Values{"live": {"false"}}
	for k, value := range v.Labels {
		query.Add("label", k+"="+value)
	}
	if v.Note != "" {
		query.Set("note", v.Note)
	}
	if v.Input != "" {
		query.Set("input", v.Input)
	}
	resp, err := c.Open(ctx, client.Request{Method: http.MethodPut, Path: path, Query: query, ContentType: "application/wasm", Body: wasm})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct{ Version int }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Version != v.Version || resp.StatusCode != http.StatusCreated {
		return faultf("module/exists", "version %d became version %d: somebody else uploads to the module, or the file has the same bytes twice", v.Version, answer.Version)
	}
	return nil
}

// isCode reports whether a host answered with a code.
func isCode(err error, group, code string) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Group == group && e.Code == code
}
