package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// exportFormat is that of what an export has in it: the rows of package actors, the documents of a module.
const exportFormat = 1

func exportInfo(kind archive.Kind) archive.Info {
	return archive.Info{Created: time.Now().UTC().Truncate(time.Second), Host: version(), Format: exportFormat, Kind: kind}
}

// exportActor writes an actor as of one moment.
func (n *node) exportActor(ctx context.Context, id tenants.ActorID, w io.Writer) error {
	out, err := archive.NewWriter(w, exportInfo(archive.Actor))
	if err != nil {
		return err
	}
	if err := n.actors.Export(ctx, id, out.Row); err != nil {
		return err
	}
	_, err = out.Close()
	return err
}

// importActor makes an actor of an export. It is there once the whole file was read and checked, or not at all.
func (n *node) importActor(ctx context.Context, ns tenants.ID, key *tenants.Key, r io.Reader) (actors.Info, error) {
	im, err := n.actors.BeginImport(ctx, ns, key)
	if err != nil {
		return actors.Info{}, err
	}
	defer im.Discard()
	if _, err := archive.Read(r, &importVisitor{im}); err != nil {
		return actors.Info{}, describeImport(err)
	}
	return im.Finish()
}

// importVisitor has an actor imported.
type importVisitor struct{ im *actors.Import }

func (v *importVisitor) Info(i archive.Info) error { return checkExport(i, archive.Actor) }

func (v *importVisitor) Row(it kv.Item) error { return v.im.Put(it) }

func (v *importVisitor) Module(archive.Digest, int64, io.Reader) error {
	return abi.Errorf(abi.CodeBadArchive, "the export of an actor has no modules")
}

// checkExport refuses a file of another kind or a newer format.
func checkExport(i archive.Info, kind archive.Kind) error {
	switch {
	case i.Kind != kind && i.Kind == archive.Backup:
		return abi.Errorf(abi.CodeBadArchive, "the file is a backup: use host restore")
	case i.Kind != kind:
		return abi.Errorf(abi.CodeBadArchive, "the file is the export of another kind of thing: %q", i.Kind)
	case i.Format != exportFormat || i.Engine != "":
		return abi.Errorf(abi.CodeBadArchive, "the export has the format %d, and this host knows %d", i.Format, exportFormat)
	}
	return nil
}

// describeImport gives a fault of the file its code. Whoever sent it may read what is wrong with it.
func describeImport(err error) error {
	var bad *archive.Error
	if errors.As(err, &bad) {
		return abi.Errorf(abi.CodeBadArchive, "%s", bad.Text)
	}
	return err
}
