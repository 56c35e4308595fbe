package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// moduleBody describes a module.
type moduleBody struct {
	Module    string              `json:"module"`
	Namespace tenants.ID          `json:"namespace"`
	Live      int                 `json:"live"` // 0 means that no version is
	Canary    *tenants.Canary     `json:"canary,omitempty"`
	Latest    int                 `json:"latest"`           // number of the newest version
	Actors    map[string][]string `json:"actors"`           // actions of each actor of the live version
	Config    map[string]string   `json:"config,omitempty"` // for who may set it
	Grants    tenants.Grants      `json:"grants,omitzero"`  // the same
	CreateTS  int64               `json:"create_ts"`
}

// versionBody describes a version.
type versionBody struct {
	Module   string              `json:"module"`
	Version  int                 `json:"version"`
	Digest   tenants.Digest      `json:"digest"`
	Live     bool                `json:"live"`
	Bytes    int64               `json:"bytes"`
	Kind     string              `json:"kind"`            // "sdk" or "plain"
	Input    tenants.InputForm   `json:"input,omitempty"` // of a plain module
	Codec    abi.Codec           `json:"codec"`
	Actors   map[string][]string `json:"actors"`
	Labels   map[string]string   `json:"labels,omitempty"`
	Note     string              `json:"note,omitempty"`
	Egress   []string            `json:"egress,omitempty"` // hosts that the manifest asks for
	Uploads  bool                `json:"uploads,omitempty"`
	Report   json.RawMessage     `json:"report,omitempty"`
	CreateTS int64               `json:"create_ts"`
	// Manifest describes the actors in full, with their schemas: in the answer for one version only.
	Manifest map[string]abi.ActorManifest `json:"manifest,omitempty"`
}

// uploadReply answers an upload.
type uploadReply struct {
	Module  string              `json:"module"`
	Version int                 `json:"version"`
	Digest  tenants.Digest      `json:"digest"`
	Live    bool                `json:"live"` // whether this version is the live one now
	Actors  map[string][]string `json:"actors"`
	Report  actors.Report       `json:"report"`
}

// actionsOf returns the actions of each actor, sorted.
func actionsOf(defs map[string]abi.ActorManifest) map[string][]string {
	out := map[string][]string{}
	for name, def := range defs {
		actions := []string{}
		for a := range def.Actions {
			actions = append(actions, a)
		}
		slices.Sort(actions)
		out[name] = actions
	}
	return out
}

func (s *Server) describeModule(q *request, m tenants.Module) moduleBody {
	b := moduleBody{
		Module:    m.Name,
		Namespace: m.Namespace,
		Live:      m.Live,
		Canary:    m.Canary,
		Latest:    m.Latest,
		Actors:    map[string][]string{},
		CreateTS:  m.Created.UnixMilli(),
	}
	// A version that goes between the two calls leaves the list empty.
	if v, err := s.cfg.Registry.Version(m.Namespace, m.Name, m.Live); m.Live > 0 && err == nil {
		b.Actors = actionsOf(v.Actors)
	}
	if q.who.May(tenants.RightAdmin) {
		b.Config, b.Grants = m.Config, m.Grants
	}
	return b
}

func describeVersion(v tenants.Version, live int) versionBody {
	kind := "sdk"
	if v.Plain {
		kind = "plain"
	}
	return versionBody{
		Module:   v.Module,
		Version:  v.Number,
		Digest:   v.Digest,
		Live:     v.Number == live,
		Bytes:    v.Bytes,
		Kind:     kind,
		Input:    v.Input,
		Codec:    v.Codec,
		Actors:   actionsOf(v.Actors),
		Labels:   v.Labels,
		Note:     v.Note,
		Egress:   v.Egress,
		Uploads:  v.Uploads,
		Report:   v.Report,
		CreateTS: v.Created.UnixMilli(),
	}
}

// putModule takes an upload: 201 for a new version, 200 for bytes that were one already. The body
// goes on as it comes; it is never held as a whole.
func (s *Server) putModule(w http.ResponseWriter, q *request) error {
	if t := q.contentType(); t != typeWasm && t != typeBytes {
		return abi.Errorf(abi.CodeUnsupportedType, "the body must be %s or %s", typeWasm, typeBytes)
	}
	o, err := q.uploadOptions()
	if err != nil {
		return err
	}
	leave, err := s.EnterUpload(q.ns)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.cfg.Registry.CountUpload(q.Context(), q.ns, q.who); err != nil {
		return err
	}
	v, report, created, err := s.host.Upload(q.Context(), q.ns, &q.body, o)
	if err != nil {
		return err
	}
	m, err := s.cfg.Registry.Module(q.ns, v.Module)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return writeJSON(w, status, uploadReply{v.Module, v.Number, v.Digest, v.Number == m.Live, actionsOf(v.Actors), report})
}

// errNoLive is for a token whose limits keep it from what runs.
var errNoLive = abi.Errorf(abi.CodeForbidden, "the token may not change which version is live")

// maxLabels bounds the labels of a version.
const maxLabels = 16

// uploadOptions reads the parameters of an upload.
func (q *request) uploadOptions() (o actors.UploadOptions, err error) {
	if err := q.only("namespace", "live", "label", "note", "input", "force"); err != nil {
		return o, err
	}
	if o.Module = q.params["module"]; !tenants.ValidName(o.Module) {
		return o, abi.Errorf(abi.CodeInvalidRequest, "the module name is not valid: 1 to %d of A-Z, a-z, 0-9, _, . and -", abi.MaxActorName)
	}
	if o.Live, err = q.flag("live", true); err != nil {
		return o, err
	}
	if o.Live && !q.who.SetsLive() {
		return o, errNoLive.With(object{"next": "upload with ?live=false"})
	}
	if o.Force, err = q.flag("force", false); err != nil {
		return o, err
	}
	if o.Note, err = q.one("note"); err != nil {
		return o, err
	}
	input, err := q.one("input")
	switch o.Input = tenants.InputForm(input); {
	case err != nil:
		return o, err
	case input != "" && o.Input != tenants.InputArgs && o.Input != tenants.InputValue:
		return o, abi.Errorf(abi.CodeInvalidRequest, "the parameter input must be %s or %s", tenants.InputArgs, tenants.InputValue)
	}
	o.Labels, err = labels(q.query["label"])
	return o, err
}

// labels reads labels, each name=value.
func labels(params []string) (map[string]string, error) {
	if len(params) > maxLabels {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "a version has at most %d labels", maxLabels)
	}
	var set map[string]string
	for _, p := range params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "a label is name=value")
		}
		if _, ok := set[name]; ok {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "a label is given more than once")
		}
		if set == nil {
			set = map[string]string{}
		}
		set[name] = value
	}
	return set, nil
}

func (s *Server) listModules(w http.ResponseWriter, q *request) error {
	list := []moduleBody{}
	for _, m := range s.cfg.Registry.Modules(q.ns) {
		if !q.who.Manages(m.Name) {
			continue
		}
		list = append(list, s.describeModule(q, m))
	}
	return writeJSON(w, http.StatusOK, object{"modules": list})
}

func (s *Server) getModule(w http.ResponseWriter, q *request) error {
	m, err := s.cfg.Registry.Module(q.ns, q.params["module"])
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.describeModule(q, m))
}

func (s *Server) listVersions(w http.ResponseWriter, q *request) error {
	m, err := s.cfg.Registry.Module(q.ns, q.params["module"])
	if err != nil {
		return err
	}
	vs, err := s.cfg.Registry.Versions(q.ns, m.Name)
	if err != nil {
		return err
	}
	list := make([]versionBody, len(vs)) // never null
	for i, v := range vs {
		list[i] = describeVersion(v, m.Live)
	}
	return writeJSON(w, http.StatusOK, object{"versions": list})
}

// version returns the version that the path names and the number of the module's live one.
func (s *Server) version(q *request) (v tenants.Version, live int, err error) {
	m, err := s.cfg.Registry.Module(q.ns, q.params["module"])
	if err != nil {
		return v, 0, err
	}
	text := q.params["version"]
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || strconv.Itoa(n) != text {
		return v, 0, abi.Errorf(abi.CodeModuleNotFound, "")
	}
	v, err = s.cfg.Registry.Version(q.ns, m.Name, n)
	return v, m.Live, err
}

func (s *Server) getVersion(w http.ResponseWriter, q *request) error {
	v, live, err := s.version(q)
	if err != nil {
		return err
	}
	b := describeVersion(v, live)
	b.Manifest = v.Actors
	return writeJSON(w, http.StatusOK, b)
}

// getWasm answers with the bytes as they were uploaded.
func (s *Server) getWasm(w http.ResponseWriter, q *request) error {
	v, _, err := s.version(q)
	if err != nil {
		return err
	}
	f, size, err := s.cfg.Registry.OpenWasm(v.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", typeWasm)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Content-Disposition", `attachment; filename="`+v.Module+"-"+strconv.Itoa(v.Number)+`.wasm"`)
	h.Set("Etag", `"`+v.Digest.String()+`"`)
	w.WriteHeader(http.StatusOK)
	src := &sourceErr{r: f}
	if _, err := io.Copy(w, src); err != nil && src.err == nil {
		return nil // the client has gone
	}
	return src.err
}

// sourceErr keeps what failed to be read apart from what failed to be written.
type sourceErr struct {
	r   io.Reader
	err error // but io.EOF
}

func (s *sourceErr) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// patchModule changes one thing of a module, which is then durable: the live version, the config or what it is
// granted.
func (s *Server) patchModule(w http.ResponseWriter, q *request) error {
	if err := q.only("namespace", "force"); err != nil {
		return err
	}
	var b struct {
		Live   *int               `json:"live"`
		Canary json.RawMessage    `json:"canary"` // null ends it
		Config map[string]*string `json:"config"` // null deletes
		Grants *tenants.Grants    `json:"grants"` // replaces all of them
	}
	if err := q.decode(&b, true); err != nil {
		return err
	}
	var m tenants.Module
	var err error
	switch {
	case count(b.Live != nil, b.Canary != nil, b.Config != nil, b.Grants != nil) != 1:
		return abi.Errorf(abi.CodeInvalidRequest, "the body must have one of live, canary, config and grants")
	case b.Live != nil:
		m, err = s.setLive(q, *b.Live)
	case b.Canary != nil:
		m, err = s.setCanary(q, b.Canary)
	case !q.who.May(tenants.RightAdmin):
		return abi.Errorf(abi.CodeForbidden, "config and grants need the role admin")
	case b.Config != nil:
		m, err = s.cfg.Registry.SetConfig(q.Context(), q.ns, q.params["module"], b.Config)
	default:
		m, err = s.setGrants(q, *b.Grants)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.describeModule(q, m))
}

func (s *Server) setGrants(q *request, g tenants.Grants) (tenants.Module, error) {
	if err := actors.CheckEgress(g.Egress); err != nil {
		return tenants.Module{}, abi.Errorf(abi.CodeInvalidRequest, "the grants are wrong: %s", clip(err.Error(), 300))
	}
	return s.cfg.Registry.SetGrants(q.Context(), q.ns, q.params["module"], g)
}

func (s *Server) setLive(q *request, n int) (m tenants.Module, err error) {
	opts, err := q.deployOptions()
	if err != nil {
		return m, err
	}
	return s.cfg.Registry.SetLive(q.Context(), q.ns, q.params["module"], n, opts...)
}

func (s *Server) setCanary(q *request, doc json.RawMessage) (m tenants.Module, err error) {
	opts, err := q.deployOptions()
	if err != nil {
		return m, err
	}
	var c *tenants.Canary
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return m, abi.Errorf(abi.CodeInvalidRequest, `a canary is {"version":n,"percent":n}, or null to end it`)
	}
	return s.cfg.Registry.SetCanary(q.Context(), q.ns, q.params["module"], c, opts...)
}

// deployOptions are those of a change of versions, which needs the right to deploy.
func (q *request) deployOptions() (opts []tenants.Option, err error) {
	force, err := q.flag("force", false)
	if err != nil {
		return nil, err
	}
	if !q.who.May(tenants.RightDeploy) {
		return nil, abi.Errorf(abi.CodeForbidden, "")
	}
	if !q.who.SetsLive() {
		return nil, errNoLive
	}
	if force {
		opts = append(opts, tenants.Force)
	}
	return opts, nil
}

func count(flags ...bool) (n int) {
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

func (s *Server) deleteModule(w http.ResponseWriter, q *request) error {
	if !q.who.SetsLive() {
		return errNoLive
	}
	if err := s.host.DeleteModule(q.Context(), q.ns, q.params["module"]); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{})
}
