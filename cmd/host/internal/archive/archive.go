// Package archive writes and reads the file of a backup, and of an export.
//
// It owns the form of the file: what comes in which order, how damage is noticed. What the items and modules mean
// it leaves to others, and it names no file. Its one invariant: a reader has passed on everything, unchanged and in
// order, if and only if Read returns nil; what it passes on before that is checked piece by piece and may be of a
// file that turns out to be cut off. Neither side holds more than some MiB, however long the file is.
//
// A file is a head and frames:
//
//	"vivarium backup\n" version(u32)
//	type(u8) length(u32) payload checksum(u32)
//
// Numbers are big endian. The checksum is CRC-32C of type, length and payload. In this order come
//
//	'i'  Info, JSON: one
//	'r'  rows, each: length of the key (u32), length of the value (u32), key, value
//	'm'  a module: SHA-256 (32 bytes), length (u64); 'd' frames with its bytes follow
//	'e'  the end: rows (u64), modules (u64), SHA-256 of all bytes of the file before this frame
//
// and nothing after it.
package archive

import (
	"fmt"
	"hash/crc32"
	"time"
)

// Version is that of the form of the file.
const Version = 1

const magic = "vivarium backup\n"

const (
	frameInfo   = 'i'
	frameRows   = 'r'
	frameModule = 'm'
	frameData   = 'd'
	frameEnd    = 'e'
)

const (
	// batch is the size to which rows and bytes of modules are gathered in a frame.
	batch = 256 << 10
	// maxRow bounds key and value of a row: the state of an actor is the largest.
	maxRow = 4<<20 + 4<<10
	// maxFrame bounds a payload: a batch, and one row more.
	maxFrame = batch + maxRow + 8
	maxInfo  = 4 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Info says where a backup comes from.
type Info struct {
	Created time.Time `json:"created"`
	Host    string    `json:"host"`   // version of the program
	Format  int       `json:"format"` // of the data folder
	Engine  string    `json:"engine"` // whose rows these are; empty if there are none of an engine's own
	Kind    Kind      `json:"kind,omitempty"`
}

// Kind is what a file is of.
type Kind string

// The kinds. Rows of a backup are an engine's, those of an actor and of a namespace package actors', those of a module
// documents.
const (
	Backup    Kind = ""
	Actor     Kind = "actor"
	Module    Kind = "module"
	Namespace Kind = "namespace"
)

// Digest is the SHA-256 of a module.
type Digest [32]byte

// Count is what a file has.
type Count struct {
	Rows, Modules, Bytes int64
}

// Code tells apart why a file is refused.
type Code string

// The codes.
const (
	NotABackup Code = "backup/not_a_backup"
	Newer      Code = "backup/newer_version"
	Truncated  Code = "backup/truncated"
	Damaged    Code = "backup/damaged"
	Trailing   Code = "backup/trailing_bytes"
)

// Error says why a file is refused.
type Error struct {
	Code Code
	Text string
}

func (e *Error) Error() string { return "archive: " + e.Text }

func errorf(code Code, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}
