package activity

import "slices"

// Scope is what a caller may see or touch. Its zero value matches nothing, so
// that a forgotten scope can never mean "every tenant".
type Scope struct {
	tenants []string
	all     bool
}

// AllTenants matches every tenant. Only an operator's credential gives it.
func AllTenants() Scope { return Scope{all: true} }

// Tenants matches exactly the given tenants; with none it matches nothing. The
// empty string is the default tenant.
func Tenants(ids ...string) Scope {
	s := slices.Clone(ids)
	slices.Sort(s)
	return Scope{tenants: slices.Compact(s)}
}

// All reports whether the scope matches every tenant.
func (s Scope) All() bool { return s.all }

// Empty reports whether the scope matches nothing.
func (s Scope) Empty() bool { return !s.all && len(s.tenants) == 0 }

// List gives the tenants of a scope that is not All, sorted.
func (s Scope) List() []string { return s.tenants }

// Matches reports whether the tenant is in the scope.
func (s Scope) Matches(tenant string) bool {
	if s.all {
		return true
	}
	_, found := slices.BinarySearch(s.tenants, tenant)
	return found
}
