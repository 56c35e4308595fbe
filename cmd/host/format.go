package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vivarium-run/vivarium/internal/durable"
)

// formatVersion is that of the data folder as a whole: what lies in it and how it is written. It is raised by a
// change that an older program would misread:
//
//	2  a namespace's registry has terms and secrets, the host's has namespaces that are being deleted or imported.
//	   A program of format 1 takes such records for damage.
const formatVersion = 2

// What lies in the data folder beside caches and what `host dev` adds.
const (
	storeFolder  = "store"
	moduleFolder = "modules"
)

const (
	formatFile   = "FORMAT"
	formatPrefix = "vivarium data "
	// formatUnfinished stands in place of a number while a restore fills the folder.
	formatUnfinished = "unfinished"
	maxFormatFile    = 64 // bytes
)

// exitFormat is the exit code for a data folder that this program cannot use, now or after a restart: a supervisor
// that sees it need not try again.
const exitFormat = 3

// unusable is why a data folder is not for this program.
func unusable(code, format string, args ...any) error {
	return &fault{Code: code, Text: fmt.Sprintf(format, args...), exit: exitFormat}
}

// checkFormat refuses a data folder that is not one of this program's, and touches nothing. A folder without the
// file is of version 1, which wrote none at first, or is to be made.
func checkFormat(data string) error {
	text, err := readFormat(filepath.Join(data, formatFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	rest, ok := strings.CutPrefix(text, formatPrefix)
	number, whole := strings.CutSuffix(rest, "\n")
	version, err := strconv.Atoi(number)
	switch {
	case ok && whole && number == formatUnfinished:
		return unusable("data/unfinished", "a restore into %s did not finish: empty the folder and restore again", data)
	case !ok, !whole, err != nil, strconv.Itoa(version) != number, version < 1:
		return unusable("data/not_a_format", "%s is no format file: %s is no data folder, or it is damaged", filepath.Join(data, formatFile), data)
	case version > formatVersion:
		return unusable("data/newer_format", "%s has the format %d, and this program knows formats up to %d: use a newer program; nothing was changed",
			data, version, formatVersion)
	}
	return nil
}

// openData makes the data folder, or takes one of a format that this program knows.
func openData(data string) error {
	if err := checkFormat(data); err != nil {
		return err
	}
	return os.MkdirAll(data, 0o700)
}

// claimFormat says that the folder is of this program's format. That comes BEFORE anything is written that a program of
// an older one would misread, and only once the store is open: who has it open is alone, and a program that cannot open
// it leaves the folder as it was.
func claimFormat(data string) error { return writeFormat(data, strconv.Itoa(formatVersion)) }

// readFormat returns the text of a format file, or of its beginning.
func readFormat(file string) (string, error) {
	info, err := os.Lstat(file) // a pipe would keep us waiting
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFormatFile {
		return "", nil // which is no format
	}
	b, err := os.ReadFile(file)
	return string(b), err
}

// writeFormat says, durably, of which format the folder is, unless it says so already.
func writeFormat(data, format string) error {
	file, text := filepath.Join(data, formatFile), formatPrefix+format+"\n"
	if have, err := readFormat(file); err == nil && have == text {
		return nil
	}
	err := durable.WriteFile(file, func(f *os.File) error {
		_, err := f.WriteString(text)
		return err
	})
	if err != nil {
		return fmt.Errorf("write the format: %w", err)
	}
	return nil
}
