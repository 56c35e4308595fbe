package tenants

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// A namespace's registry space holds
//
//	k <key id>                      TokenKey, JSON
//	m <module>                      Module, JSON
//	q                               Terms, JSON
//	r t<token id>, r k<key id>      Revocation, JSON
//	s <secret>                      Secret, JSON, sealed
//	u <token id>                    uploadCount, JSON
//	v <module> 00 <number u32 BE>   Version, JSON
//
// so that modules come before all versions, and versions in the order of their numbers.

func moduleKey(name string) []byte { return []byte("m" + name) }

func versionKey(module string, number int) []byte {
	b := append([]byte("v"), module...)
	b = append(b, 0) // cannot occur in a name
	return binary.BigEndian.AppendUint32(b, uint32(number))
}

// putModule returns the op that stores m.
func putModule(m *Module) (kv.Op, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return kv.Op{}, fmt.Errorf("tenants: encode module: %w", err)
	}
	if len(b) > maxRecord { // values of control characters grow to six times their size
		return kv.Op{}, abi.Errorf(abi.CodeInvalidRequest, "the config has more than %d bytes as JSON", maxRecord)
	}
	return kv.Op{Key: moduleKey(m.Name), Value: b}, nil
}

// reader builds a namespace's programs from its items, which it does not trust.
type reader struct {
	ns       ID
	programs map[string]*program
	latest   map[string]int // what the module's record promises
	gate     *gate
	terms    Terms
}

func newReader(ns ID) *reader {
	return &reader{ns: ns, programs: map[string]*program{}, latest: map[string]int{}, gate: newGate()}
}

// add takes the next item in the order of the space.
func (r *reader) add(item kv.Item) error {
	switch {
	case len(item.Key) > 0 && item.Key[0] == 'm':
		return r.addModule(item)
	case len(item.Key) > 0 && item.Key[0] == 'v':
		return r.addVersion(item)
	case string(item.Key) == termsKey:
		if err := json.Unmarshal(item.Value, &r.terms); err != nil {
			return err
		}
		return r.terms.check()
	case len(item.Key) > 0:
		return r.gate.add(item)
	}
	return errors.New("a record without a key")
}

func (r *reader) addModule(item kv.Item) error {
	var m Module
	if err := json.Unmarshal(item.Value, &m); err != nil {
		return err
	}
	switch {
	case m.Namespace != r.ns || string(moduleKey(m.Name)) != string(item.Key):
		return errors.New("the record has another name than its key")
	case !ValidName(m.Name):
		return errors.New("malformed module name")
	case m.Live < 0 || m.Live > m.Latest || m.Latest < 1 || m.Latest > maxVersions:
		return fmt.Errorf("live version %d of %d", m.Live, m.Latest)
	case m.Canary != nil && (m.Canary.Version < 1 || m.Canary.Version > m.Latest || m.Canary.Percent < 1 || m.Canary.Percent > 99):
		return fmt.Errorf("canary %+v of %d", *m.Canary, m.Latest)
	}
	r.latest[m.Name] = m.Latest
	m.Latest = 0 // grows with the versions
	r.programs[m.Name] = &program{Module: m}
	return nil
}

func (r *reader) addVersion(item kv.Item) error {
	v, err := decodeVersion(item.Value)
	if err != nil {
		return err
	}
	if v.Namespace != r.ns || string(versionKey(v.Module, v.Number)) != string(item.Key) {
		return errors.New("the record has another name than its key")
	}
	p, ok := r.programs[v.Module]
	if !ok {
		return errors.New("a version without a module")
	}
	if p, err = p.add(v); err == nil {
		r.programs[v.Module] = p
	}
	return err
}

// catalog returns what was added, once it is complete.
func (r *reader) catalog() (*catalog, error) {
	for name, latest := range r.latest {
		if p := r.programs[name]; p.Latest != latest {
			return nil, fmt.Errorf("module %s has %d versions of %d", name, p.Latest, latest)
		}
	}
	return newCatalog(r.programs)
}

// decodeVersion reads a stored version and checks all that the code relies on.
func decodeVersion(b []byte) (*Version, error) {
	var v Version
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	if v.Number < 1 || v.Number > maxVersions || v.Bytes < 0 {
		return nil, errors.New("a number is out of range")
	}
	return &v, v.check()
}

// errCorrupt is an error of the disk: of an item if key is not empty. What it wraps may have the
// code of a bad request; the disk's fault is CodeInternal.
func errCorrupt(where string, key []byte, err error) error {
	if len(key) > 0 {
		where += fmt.Sprintf(" at %q", key)
	}
	return abi.Wrap(abi.CodeInternal, fmt.Errorf("tenants: %s: %w: %w", where, kv.ErrCorrupt, err))
}

// plainText reports whether s is UTF-8 without control characters.
func plainText(s string) bool {
	return strings.ToValidUTF8(s, "") == s && !strings.ContainsFunc(s, isControl)
}
