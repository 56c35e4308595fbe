package tenants

import (
	"errors"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func TestRoleRights(t *testing.T) {
	all := []Right{RightOperate, RightAdmin, RightDeploy, RightInvoke, RightRead}
	tests := []struct {
		role Role
		want [5]bool // as all
	}{
		{RoleOperator, [5]bool{true, true, true, true, true}},
		{RoleAdmin, [5]bool{false, true, true, true, true}},
		{RoleDeploy, [5]bool{false, false, true, false, true}},
		{RoleInvoke, [5]bool{false, false, false, true, false}},
		{RoleRead, [5]bool{false, false, false, false, true}},
		{"", [5]bool{}},
		{"Admin", [5]bool{}},
		{"root", [5]bool{}},
	}
	for _, tt := range tests {
		t.Run(string(tt.role), func(t *testing.T) {
			p := Principal{Namespace: "acme", Role: tt.role}
			for i, right := range all {
				if got := p.May(right); got != tt.want[i] {
					t.Errorf("May(%d) = %v, want %v", right, got, tt.want[i])
				}
			}
			if p.May(0) || p.May(RightRead+1) || p.May(255) {
				t.Error("it may do what is no right")
			}
		})
	}
	if len(roleRights) != 5 {
		t.Errorf("%d roles, this table knows 5", len(roleRights))
	}
}

func TestPrincipalIn(t *testing.T) {
	tests := []struct {
		name  string
		p     Principal
		asked string
		want  ID // empty means ErrForeign
	}{
		{"own, unsaid", Principal{Namespace: "acme", Role: RoleRead}, "", "acme"},
		{"own, said", Principal{Namespace: "acme", Role: RoleRead}, "acme", "acme"},
		{"another's", Principal{Namespace: "acme", Role: RoleAdmin}, "umbrella", ""},
		{"another case", Principal{Namespace: "acme", Role: RoleAdmin}, "Acme", ""},
		{"a path", Principal{Namespace: "acme", Role: RoleAdmin}, "acme/../umbrella", ""},
		{"the default is another's too", Principal{Namespace: "acme", Role: RoleAdmin}, "default", ""},
		{"operator, unsaid", Principal{Role: RoleOperator}, "", Default},
		{"operator of a namespace, unsaid", Principal{Namespace: "acme", Role: RoleOperator}, "", "acme"},
		{"operator, any", Principal{Namespace: "acme", Role: RoleOperator}, "umbrella", "umbrella"},
		{"operator, malformed", Principal{Role: RoleOperator}, ".", ""},
		{"nobody", Principal{}, "", ""},
		{"nobody asks", Principal{}, "acme", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.p.In(tt.asked)
			if got != tt.want || (tt.want == "") != errors.Is(err, ErrForeign) {
				t.Errorf("In(%q) = %q, %v, want %q", tt.asked, got, err, tt.want)
			}
			if tt.want == "" && abi.CodeOf(err) != abi.CodeNamespaceNotFound {
				t.Errorf("code %v, want %v", abi.CodeOf(err), abi.CodeNamespaceNotFound)
			}
		})
	}
}
