package main

import (
	"context"
	"io"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// exportNamespace writes a namespace as of one moment. As in a backup, no module's file goes meanwhile, and the rows come
// before the modules that they name.
func (n *node) exportNamespace(ctx context.Context, ns tenants.ID, w io.Writer) error {
	if !n.backingUp.TryLock() {
		return &abi.Error{Code: abi.CodeHostBusy, Message: "Another backup or export is being taken", Retry: time.Minute}
	}
	defer n.backingUp.Unlock()
	_, release := n.registry.HoldFiles()
	defer release()
	out, err := archive.NewWriter(w, exportInfo(archive.Namespace))
	if err != nil {
		return err
	}
	modules, err := n.actors.ExportNamespace(ctx, ns, out.Row)
	if err != nil {
		return err
	}
	for _, d := range modules {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := n.exportFile(d, out); err != nil {
			return err
		}
	}
	_, err = out.Close()
	return err
}

// exportFile adds a module's file.
func (n *node) exportFile(d tenants.Digest, out *archive.Writer) error {
	body, size, err := n.registry.OpenWasm(d)
	if err != nil {
		return err
	}
	defer body.Close()
	return out.Module(archive.Digest(d), size, body)
}

// importNamespace makes a namespace of an export, under its own name if as is empty. It is there once the whole file was
// read and checked, or not at all. One is imported at a time: each may compile modules for minutes.
func (n *node) importNamespace(ctx context.Context, as tenants.ID, r io.Reader) (actors.ImportedNamespace, error) {
	if !n.importing.TryLock() {
		return actors.ImportedNamespace{}, &abi.Error{Code: abi.CodeHostBusy, Message: "Another namespace is being imported", Retry: time.Minute}
	}
	defer n.importing.Unlock()
	im, err := n.actors.BeginNamespaceImport(ctx, as)
	if err != nil {
		return actors.ImportedNamespace{}, err
	}
	defer im.Discard()
	if _, err := archive.Read(r, &namespaceVisitor{im}); err != nil {
		return actors.ImportedNamespace{}, describeImport(err)
	}
	return im.Finish()
}

// namespaceVisitor has a namespace imported.
type namespaceVisitor struct{ im *actors.NamespaceImport }

func (v *namespaceVisitor) Info(i archive.Info) error { return checkExport(i, archive.Namespace) }

func (v *namespaceVisitor) Row(it kv.Item) error { return v.im.Put(it) }

func (v *namespaceVisitor) Module(d archive.Digest, _ int64, body io.Reader) error {
	return v.im.Module(tenants.Digest(d), body)
}
