package actors

import (
	"context"
	"encoding/json"
	"io"
	"reflect"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// NamespaceImport makes a namespace of the rows and modules of an export, or of somebody else: nothing in them is
// trusted. All of it is written into a tenants.Arrival, which nobody finds and which a restart removes, and is there at
// once when Finish returns. Rows are held to what a host could have written, and modules go the way of any upload. It is
// used by one goroutine, and ends with Finish or Discard.
type NamespaceImport struct {
	h        *Host
	ctx      context.Context
	as       tenants.ID // another name than the export's; empty keeps that
	arrival  *tenants.Arrival
	flight   *importFlight
	table    int // rank of the last row
	space    *spaceImport
	versions map[tenants.Digest][]*tenants.Version // nil before the modules
	done     ImportedNamespace
}

// ImportedNamespace is what an import made.
type ImportedNamespace struct {
	tenants.Namespace
	From     tenants.ID // its name where it was exported
	Secrets  []string   // names of what is to be set again
	Actors   int
	Modules  int
	Versions int
}

// BeginNamespaceImport begins to import a namespace, under its own name if as is empty. The name must be free.
func (h *Host) BeginNamespaceImport(ctx context.Context, as tenants.ID) (*NamespaceImport, error) {
	if err := h.Ready(); err != nil {
		return nil, err
	}
	if err := h.Writable(); err != nil {
		return nil, err
	}
	return &NamespaceImport{h: h, ctx: ctx, as: as, flight: newImportFlight(h.cfg.Store)}, nil
}

// rowRank is the order of the tables; an item belongs to the space before it.
var rowRank = map[byte]int{rowNamespace: 1, rowRecord: 2, rowUsage: 3, rowSpace: 4, rowItem: 4}

// Put takes the next row. Its errors, beside those of the store, are CodeBadArchive for a row that no export has,
// CodeNamespaceExists and CodeNamespaceDeleting for a name that is not free, and CodeQuota for what the namespace may not
// have here.
func (im *NamespaceImport) Put(it kv.Item) error {
	if err := im.ctx.Err(); err != nil {
		return abi.Wrap(abi.CodeUnavailable, err)
	}
	if len(it.Key) == 0 || rowRank[it.Key[0]] < max(im.table, 1) || im.versions != nil {
		return badRow("a row at %q, which is out of order or none of a namespace's export", clipKey(it.Key))
	}
	im.table = rowRank[it.Key[0]]
	rest := kv.Item{Key: it.Key[1:], Value: it.Value}
	switch table := it.Key[0]; {
	case (table == rowNamespace) != (im.arrival == nil):
		return badRow("the first row, and no other, says which namespace it is")
	case table == rowNamespace:
		return im.begin(rest)
	case table == rowRecord:
		return im.arrival.Put(im.ctx, rest)
	case table == rowUsage:
		return im.arrival.Use(im.ctx, rest)
	case table == rowSpace:
		return im.beginSpace(rest)
	case im.space == nil:
		return badRow("an item of no actor")
	}
	return im.space.put(rest)
}

// begin takes the first row.
func (im *NamespaceImport) begin(it kv.Item) (err error) {
	var d departed
	if len(it.Key) != 0 || decodeStrict(it.Value, &d) != nil {
		return badRow("the first row does not say which namespace it is")
	}
	if _, err := tenants.ParseID(string(d.ID)); err != nil || len(d.Secrets) > maxSecretNames {
		return badRow("what it says of the namespace cannot be")
	}
	for _, name := range d.Secrets {
		if !tenants.ValidSecretName(name) {
			return badRow("the name of a secret is none")
		}
	}
	ns := im.as
	if ns == "" {
		ns = d.ID
	}
	im.done.From, im.done.Secrets = d.ID, d.Secrets
	im.arrival, err = im.h.cfg.Registry.BeginArrival(im.ctx, ns, d.DisplayName)
	im.done.ID = ns
	return err
}

// maxSecretNames bounds the secrets that an export names, as a namespace does.
const maxSecretNames = 64

// beginSpace ends the space before and begins the next.
func (im *NamespaceImport) beginSpace(it kv.Item) error {
	last := ""
	if im.space != nil {
		last = im.space.id.String()
	}
	if err := im.endSpace(); err != nil {
		return err
	}
	id, ok := tenants.ParseActorID(im.done.ID, string(it.Key))
	if !ok || id.String() <= last {
		return badRow("an actor is out of order, or has no id that can be")
	}
	var head spaceHead
	if decodeStrict(it.Value, &head) != nil || head.Pos < 1 || head.Pos > maxPos {
		return badRow("what is said of the actor %s cannot be", id)
	}
	lease, err := im.h.cfg.Store.Claim(im.ctx, id.Space())
	if err != nil {
		return readError(err)
	}
	im.space = newSpaceImport(im, id, lease, head)
	if id != tenants.PostOffice(im.done.ID) {
		im.done.Actors++
	}
	return nil
}

// endSpace checks the space as a whole, and writes what is left of it.
func (im *NamespaceImport) endSpace() error {
	if im.space == nil {
		return nil
	}
	s := im.space
	im.space = nil
	defer im.h.cfg.Store.Release(s.lease) // behind its deltas
	return s.end()
}

// settle ends the rows: all of them are on disk when it returns.
func (im *NamespaceImport) settle() error {
	if im.versions != nil {
		return nil
	}
	if im.arrival == nil {
		return badRow("there is no namespace in it")
	}
	if err := im.endSpace(); err != nil {
		return err
	}
	if err := im.flight.wait(); err != nil {
		return err
	}
	modules, versions, err := im.arrival.Settle(im.ctx)
	if err != nil {
		return err
	}
	for _, m := range modules {
		if err := CheckEgress(m.Grants.Egress); err != nil {
			return badRow("the grants of %s: %v", m.Name, err)
		}
	}
	im.versions = map[tenants.Digest][]*tenants.Version{}
	for _, v := range versions {
		im.versions[v.Digest] = append(im.versions[v.Digest], v)
	}
	im.done.Modules, im.done.Versions = len(modules), len(versions)
	return nil
}

// Module takes the bytes of a module. Those that no version has, or that are not what a version says of them, are
// CodeBadArchive; what an upload would be refused for is refused as there.
func (im *NamespaceImport) Module(d tenants.Digest, body io.Reader) error {
	if err := im.settle(); err != nil {
		return err
	}
	versions := im.versions[d]
	if len(versions) == 0 {
		return badRow("there are the bytes of a module that no version has")
	}
	staged, err := im.h.cfg.Registry.Stage(body, MaxModule)
	if err != nil {
		return err
	}
	defer staged.Discard()
	code, err := im.h.acquire(im.ctx, im.done.ID, d, staged.ReadAll)
	if err != nil {
		return err
	}
	defer code.Release()
	for _, v := range versions {
		if v.Bytes != staged.Bytes {
			return badRow("version %d of %s has other bytes", v.Number, v.Module)
		}
		found := tenants.Version{Namespace: v.Namespace, Module: v.Module}
		if _, err := im.h.inspect(im.ctx, code, &found, UploadOptions{Module: v.Module, Input: v.Input}); err != nil {
			return err
		}
		if !sameProgram(&found, v) {
			return badRow("version %d of %s is not what its bytes say", v.Number, v.Module)
		}
	}
	return im.arrival.Keep(staged)
}

// sameProgram reports whether two versions say the same of their bytes.
func sameProgram(a, b *tenants.Version) bool {
	said := func(v *tenants.Version) any {
		doc, err := json.Marshal([]any{v.Plain, v.Input, v.Codec, v.Actors, v.Egress, v.Uploads})
		var said any
		if err != nil || json.Unmarshal(doc, &said) != nil {
			return err
		}
		return said
	}
	return reflect.DeepEqual(said(a), said(b))
}

// Finish makes the namespace, durable when it returns. After an error the import is still to be discarded.
func (im *NamespaceImport) Finish() (ImportedNamespace, error) {
	err := im.settle()
	if err != nil {
		return im.done, err
	}
	if im.done.Namespace, err = im.arrival.Finish(im.ctx); err != nil {
		return im.done, err
	}
	im.h.alarm.again()
	return im.done, nil
}

// Discard has what there is of an import removed that was not finished. It may be called again.
func (im *NamespaceImport) Discard() {
	if im.space != nil {
		im.h.cfg.Store.Release(im.space.lease)
		im.space = nil
	}
	_ = im.flight.wait() // whatever became of them: BEFORE somebody removes what they write
	if im.arrival == nil {
		return
	}
	im.arrival.Abandon()
	im.h.remover.look()
}

// spaceImport fills one space.
type spaceImport struct {
	im    *NamespaceImport
	id    tenants.ActorID
	lease kv.Lease
	head  spaceHead
	n     uint64 // of the next delta
	ops   []kv.Op
	size  int
	rows  importCheck
	rec   *record
}

// maxPos bounds the number of a space's last delta: ids have 44 bits for it, and it is to grow on.
const maxPos = 1 << 42

func newSpaceImport(im *NamespaceImport, id tenants.ActorID, l kv.Lease, head spaceHead) *spaceImport {
	s := &spaceImport{im: im, id: id, lease: l, head: head, n: head.Pos}
	s.rows.beginWhole(id, im.h.now(), head.due())
	return s
}

// due returns when the space is to be woken; zero is never.
func (h spaceHead) due() time.Time {
	if h.Due == nil {
		return time.Time{}
	}
	return time.UnixMilli(*h.Due)
}

// put takes the next item.
func (s *spaceImport) put(it kv.Item) error {
	if string(it.Key) == string(recordKey) {
		if err := s.record(it.Value); err != nil {
			return err
		}
	}
	if err := s.rows.row(it.Key, it.Value); err != nil {
		return err
	}
	s.ops = append(s.ops, kv.Op{Key: append([]byte{}, it.Key...), Value: append([]byte{}, it.Value...)})
	if s.size += len(it.Key) + len(it.Value); s.size < importDelta && len(s.ops) < abi.MaxDeltaOps/2 {
		return nil
	}
	return s.commit(&kv.Delta{})
}

// record takes who the actor is, whose form is the check's to see.
func (s *spaceImport) record(doc []byte) error {
	var r record
	if decodeStrict(doc, &r) != nil || r.Version < 0 || r.Kept < 0 || (r.Parent == "") != (r.Limits == nil) || s.id == tenants.PostOffice(s.id.Namespace) {
		return badRow("what is said of who the actor %s is cannot be", s.id)
	}
	s.rec = &r
	s.rows.held.Name = r.info(s.id).Address.Binding()
	return nil
}

// commit writes the items that are there with d, whose other fields are set.
func (s *spaceImport) commit(d *kv.Delta) error {
	d.N, d.Begins, d.Ops = s.n, s.n == s.head.Pos, s.ops
	s.n++
	s.ops, s.size = nil, 0
	return s.im.flight.launch(s.lease, d)
}

// end gives the space its name, and the moment at which it is woken.
func (s *spaceImport) end() error {
	if _, err := s.rows.finish(); err != nil {
		return err
	}
	due := s.head.due()
	d := &kv.Delta{Due: &due, Marks: s.rows.marks}
	if s.rec != nil {
		d.Bind = s.rows.held.Name
	}
	return s.commit(d)
}
