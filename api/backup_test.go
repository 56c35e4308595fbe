package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// A backup goes to operators alone, leaves a trace in the log, and can never be taken for whole if it is not.
func TestBackup(t *testing.T) {
	var source func(io.Writer) error
	f := newFixture(t, func(c *Config) { c.Backup = func(_ context.Context, w io.Writer) error { return source(w) } })
	write := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, failed := io.WriteString(w, text)
			return errors.Join(failed, err)
		}
	}

	source = write("all of it", nil)
	a := f.do("POST", "/backup", "", f.as(tenants.RoleOperator))
	if a.status != http.StatusOK || string(a.body) != "all of it" || a.header.Get("Content-Type") != typeBytes {
		t.Errorf("got %d %s %q", a.status, a.header.Get("Content-Type"), a.body)
	}
	if log := f.log.String(); !strings.Contains(log, "a backup was taken") || !strings.Contains(log, "bytes=9") {
		t.Errorf("the log is\n%s", log)
	}
	for _, role := range []tenants.Role{tenants.RoleAdmin, tenants.RoleDeploy, tenants.RoleRead, tenants.RoleInvoke} {
		f.do("POST", "/backup", "", f.as(role)).wantError(t, 403, "auth", "forbidden")
	}

	source = func(io.Writer) error { return &abi.Error{Code: abi.CodeHostBusy} }
	f.do("POST", "/backup", "", f.as(tenants.RoleOperator)).wantError(t, 503, "guard", "service_busy")

	source = write(strings.Repeat("half of it", 1000), errors.New("the disk is gone"))
	if a, err := f.try(f.request("POST", "/backup", nil, f.as(tenants.RoleOperator))); err == nil {
		t.Errorf("a backup that broke off looks whole: %d, %d bytes", a.status, len(a.body))
	}
	if log := f.log.String(); !strings.Contains(log, "a backup was cut off") || !strings.Contains(log, "the disk is gone") {
		t.Errorf("the log is\n%s", log)
	}

	newFixture(t).do("POST", "/backup", "", f.as(tenants.RoleOperator)).wantError(t, 404, "api", "not_found")
}
