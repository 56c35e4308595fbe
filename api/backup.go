package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// postBackup streams a backup of the whole host. It is a POST so that nothing takes one by the way, a HEAD for
// instance. Each has two lines in the log, whatever comes of it: it is a copy of what all tenants have.
func (s *Server) postBackup(w http.ResponseWriter, q *request) error {
	if s.cfg.Backup == nil {
		return abi.Errorf(abi.CodeNotFound, "this host has no backups")
	}
	begun := time.Now()
	log := s.log.With("request", w.Header().Get(rayHeader), "subject", q.who.Subject, "token", q.who.TokenID, "client", s.remote(q.Request))
	log.Info("a backup is taken")
	w.Header().Set("Content-Type", typeBytes)
	w.Header().Set("Content-Disposition", `attachment; filename="vivarium.backup"`)
	out := &countingWriter{w: w}
	err := s.cfg.Backup(q.Context(), out)
	level, text := slog.LevelInfo, "a backup was taken"
	if err != nil {
		level, text = slog.LevelWarn, "a backup was cut off"
	}
	log.Log(q.Context(), level, text, "bytes", out.n, "took", time.Since(begun), "error", err)
	if out.err != nil {
		return nil // the client has gone, and net/http cuts the connection
	}
	return err
}

// countingWriter counts what it writes, and remembers that it failed.
type countingWriter struct {
	w   http.ResponseWriter
	n   int64
	err error
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}
