package tenants

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// InputForm says how a plain module gets its input. It is part of a version's identity: the same
// bytes with another form are another version. It is empty for a module with a manifest.
type InputForm string

// The forms.
const (
	InputArgs  InputForm = "args"  // the list of an action's arguments, as a document; the default
	InputValue InputForm = "value" // the first argument alone
)

// Version is one immutable numbered upload of a module, in the form that is stored. The maps and
// slices of a Version that the registry returned are shared and must not be changed.
type Version struct {
	Namespace ID                           `json:"namespace"`
	Module    string                       `json:"module"`
	Number    int                          `json:"number"` // from 1, without gaps, within the module
	Digest    Digest                       `json:"digest"`
	Bytes     int64                        `json:"bytes"` // of the module
	Created   time.Time                    `json:"created"`
	Labels    map[string]string            `json:"labels,omitempty"`
	Note      string                       `json:"note,omitempty"`
	Plain     bool                         `json:"plain,omitempty"`
	Input     InputForm                    `json:"input,omitempty"`
	Codec     abi.Codec                    `json:"codec"`
	Actors    map[string]abi.ActorManifest `json:"actors"`            // what it defines; for a plain module one, named as the module
	Egress    []string                     `json:"egress,omitempty"`  // hosts that its manifest asks for
	Uploads   bool                         `json:"uploads,omitempty"` // its manifest asks for uploads
	Report    json.RawMessage              `json:"report,omitempty"`
}

// Module is a named program of a namespace, in the form that is stored. Config and Grants of a Module
// that the registry returned are shared and must not be changed.
type Module struct {
	Namespace ID                `json:"namespace"`
	Name      string            `json:"name"`
	Live      int               `json:"live"`             // number of the live version; 0 means none
	Latest    int               `json:"latest"`           // number of the newest version; 0 <= Live <= Latest
	Canary    *Canary           `json:"canary,omitempty"` // shared, like Config
	Config    map[string]string `json:"config,omitempty"`
	Grants    Grants            `json:"grants,omitzero"`
	Created   time.Time         `json:"created"`
}

// Limits of one version. Sizes are in bytes.
const (
	maxActors     = 256
	maxLabels     = 16
	maxLabelKey   = 64
	maxLabelValue = 256
	maxNote       = 4 << 10
	maxRecord     = 512 << 10 // of the stored form, mostly manifest and report
)

// check reports what is wrong with a version, be it from a caller or from the disk.
func (v *Version) check() error {
	if !ValidName(v.Module) {
		return abi.Errorf(abi.CodeInvalidRequest, "a module name is 1 to %d of A-Z, a-z, 0-9, _, . and -, and begins with a letter or digit", abi.MaxActorName)
	}
	if err := v.checkActors(); err != nil {
		return err
	}
	switch {
	case v.Codec != abi.JSON && v.Codec != abi.CBOR:
		return abi.Errorf(abi.CodeModuleInvalid, "unknown codec %q", v.Codec)
	case v.Plain && v.Input != InputArgs && v.Input != InputValue:
		return abi.Errorf(abi.CodeInvalidRequest, "the input form is %s or %s", InputArgs, InputValue)
	case !v.Plain && v.Input != "":
		return abi.Errorf(abi.CodeInvalidRequest, "only a module without a manifest has an input form")
	}
	return v.checkNotes()
}

func (v *Version) checkActors() error {
	if len(v.Actors) < 1 || len(v.Actors) > maxActors {
		return abi.Errorf(abi.CodeModuleLimit, "a module defines 1 to %d actors, this one %d", maxActors, len(v.Actors))
	}
	for name := range v.Actors {
		if !ValidName(name) {
			return abi.Errorf(abi.CodeModuleInvalid, "malformed actor name %q", name)
		}
	}
	if _, ok := v.Actors[v.Module]; v.Plain && (!ok || len(v.Actors) != 1) {
		return abi.Errorf(abi.CodeModuleInvalid, "a module without a manifest defines one actor, named as the module")
	}
	return nil
}

func (v *Version) checkNotes() error {
	if len(v.Labels) > maxLabels {
		return abi.Errorf(abi.CodeInvalidRequest, "a version has at most %d labels", maxLabels)
	}
	for key, value := range v.Labels {
		if key == "" || len(key) > maxLabelKey || len(value) > maxLabelValue || !plainText(key) || !plainText(value) {
			return abi.Errorf(abi.CodeInvalidRequest, "a label is 1 to %d bytes, its value up to %d, both UTF-8 without control characters", maxLabelKey, maxLabelValue)
		}
	}
	if len(v.Note) > maxNote || !utf8.ValidString(v.Note) {
		return abi.Errorf(abi.CodeInvalidRequest, "a note is up to %d bytes of UTF-8", maxNote)
	}
	return nil
}
