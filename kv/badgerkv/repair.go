package badgerkv

import (
	"fmt"
	"os"
	"path/filepath"
)

// removeUnborn removes log files without a byte. A process that is killed between Badger's creation
// of a log file and its first extension leaves one, and Badger 4.9 then refuses to open the store
// ("Create a new file"). Nothing was ever written to such a file. The caller holds the lock: another
// process could be at just that point.
func removeUnborn(dir string) error {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return fmt.Errorf("badgerkv: open: %w", err)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err == nil && info.Mode().IsRegular() && info.Size() == 0 {
				err = os.Remove(file)
			}
			if err != nil {
				return fmt.Errorf("badgerkv: open: %w", err)
			}
		}
	}
	return nil
}
