package tenants

// Role is what a token may do. Each role has the rights that the table in this file gives it.
type Role string

// The roles, from most to least.
const (
	RoleOperator Role = "operator" // everything, in every namespace
	RoleAdmin    Role = "admin"    // everything in its namespace
	RoleDeploy   Role = "deploy"   // modules, and look at everything
	RoleInvoke   Role = "invoke"   // create and call actors; neither list, inspect nor destroy them
	RoleRead     Role = "read"     // look at everything, change nothing
)

// Right is one thing that a route needs. The zero Right is held by nobody.
type Right uint8

// The rights.
const (
	RightOperate Right = iota + 1 // namespaces
	RightAdmin                    // settings of a namespace: config of a module, destroy of an actor
	RightDeploy                   // upload, live and delete of modules
	RightInvoke                   // create and call actors
	RightRead                     // list actors and modules, inspect state, KV, logs
)

// rights is a set of rights: bit r for right r.
type rights uint8

func rightsOf(rs ...Right) rights {
	var set rights
	for _, r := range rs {
		set |= 1 << r
	}
	return set
}

func (s rights) has(r Right) bool { return s&(1<<r) != 0 }

var roleRights = map[Role]rights{
	RoleOperator: rightsOf(RightOperate, RightAdmin, RightDeploy, RightInvoke, RightRead),
	RoleAdmin:    rightsOf(RightAdmin, RightDeploy, RightInvoke, RightRead),
	RoleDeploy:   rightsOf(RightDeploy, RightRead),
	RoleInvoke:   rightsOf(RightInvoke),
	RoleRead:     rightsOf(RightRead),
}

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { _, ok := roleRights[r]; return ok }
