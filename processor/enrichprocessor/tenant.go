package enrichprocessor

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/activitylog/otelcol-activitylog/internal/receipt"
)

const defaultTenant = "default"

// The codes of the events that are refused.
const (
	codeTenantNotAllowed = "tenant_not_allowed"
	codeEventTooLarge    = "event_too_large"
)

// tenant settles whose event it is: the grant of the authenticated sender, then
// a verified claim, then the event's own word where that is allowed. False
// refuses the event.
func (e *enricher) tenant(r *request, in *intake, v *verdict) bool {
	ev := &in.event
	said := tenantName(ev.TenantID)
	if e.cfg.TrustUpstream {
		ev.TenantID = said
		return true
	}
	granted := r.grants
	if len(granted) == 0 && e.cfg.Tenant.Claim != "" && v.verified() {
		granted = v.claims.tenants
	}
	ev.TenantID = said
	switch {
	case len(granted) > 0:
		if ev.TenantID == "" && len(granted) == 1 {
			ev.TenantID = tenantName(granted[0])
			return true
		}
		if slices.ContainsFunc(granted, func(g string) bool { return tenantName(g) == said }) {
			return true
		}
		return e.reject(r, in, codeTenantNotAllowed, "The sender may not write events of this tenant.")
	case e.cfg.Tenant.FromEvent:
		return true
	case said == "" && e.cfg.Tenant.AuthAttribute == "" && e.cfg.Tenant.Claim == "":
		return true
	}
	return e.reject(r, in, codeTenantNotAllowed, "The sender has no grant for a tenant, and the event's own word does not count here.")
}

func (e *enricher) reject(r *request, in *intake, code, reason string) bool {
	r.receipt.Reject(receipt.Rejection{ID: in.event.ID, Code: code, Reason: reason})
	e.metrics.EnrichRejected.Add(r.ctx, 1, metric.WithAttributes(attribute.String("code", code)))
	return false
}

func tenantName(s string) string {
	if s == defaultTenant {
		return ""
	}
	return s
}

// stringsOf reads an auth attribute, which may be one text or a list.
func stringsOf(v any) []string {
	switch t := v.(type) {
	case string:
		if t != "" {
			return []string{t}
		}
	case []string:
		return t
	case []any:
		var out []string
		for _, item := range t {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
