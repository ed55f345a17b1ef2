package enrichprocessor

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
)

// sender is what an authenticator of the receiver knows of a client.
type sender map[string]any

func (s sender) GetAttribute(name string) any { return s[name] }

func (s sender) GetAttributeNames() []string {
	names := make([]string, 0, len(s))
	for n := range s {
		names = append(names, n)
	}
	return names
}

const refused = "refused"

func TestTenantOfTheSender(t *testing.T) {
	for _, tt := range []struct {
		name      string
		grant     any
		said      string
		fromEvent bool
		want      string
	}{
		{"one grant", "acme", "", false, "acme"},
		{"one grant, said as well", "acme", "acme", false, "acme"},
		{"another tenant", "acme", "beta", false, refused},
		{"the grant goes before the event", "acme", "beta", true, refused},
		{"the default is another tenant", "acme", "default", true, "acme"},
		{"grant of the default", "default", "", false, ""},
		{"grant of the default, another said", "default", "acme", true, refused},
		{"case counts", "acme", "Acme", true, refused},
		{"several, one said", []string{"acme", "beta"}, "beta", false, "beta"},
		{"several, another said", []string{"acme", "beta"}, "gamma", false, refused},
		{"several, none said", []string{"acme", "beta"}, "", false, refused},
		{"several with the default, none said", []string{"acme", "default"}, "", false, ""},
		{"a list of any", []any{"acme", 7}, "acme", false, "acme"},
		{"no grant", nil, "acme", false, refused},
		{"no grant, none said", nil, "", false, refused},
		{"no grant, the event's word counts", nil, "acme", true, "acme"},
		{"an empty grant is none", "", "acme", false, refused},
		{"a grant that is no text", 7, "acme", false, refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) { c.Tenant = TenantConfig{AuthAttribute: "tenants", FromEvent: tt.fromEvent} })
			ctx, rec := receipt.NewContext(client.NewContext(t.Context(), client.Info{Auth: sender{"tenants": tt.grant}}))
			ev := request1()
			ev.TenantID = tt.said
			ld := logsOf(ev, nil)
			_, err := e.process(ctx, ld)
			rejected, filtered := rec.Processed()
			assert.Zero(t, filtered)
			if tt.want == refused {
				require.Error(t, err, "nothing is left to pass on")
				require.Len(t, rejected, 1)
				assert.Equal(t, ev.ID, rejected[0].ID)
				assert.Equal(t, "tenant_not_allowed", rejected[0].Code)
				assert.NotEmpty(t, rejected[0].Reason)
				return
			}
			require.NoError(t, err)
			assert.Empty(t, rejected)
			events, err := activitylogs.Events(ld)
			require.NoError(t, err)
			require.Len(t, events, 1)
			assert.Equal(t, tt.want, events[0].TenantID)
		})
	}
}

func TestTenantWithoutAuthentication(t *testing.T) {
	e := started(t, func(c *Config) { c.Tenant = TenantConfig{AuthAttribute: "tenants"} })
	ctx, rec := receipt.NewContext(t.Context())
	_, err := e.process(ctx, logsOf(request1(), nil))
	require.Error(t, err)
	rejected, _ := rec.Processed()
	assert.Len(t, rejected, 1)
}

func TestTenantOfAClaim(t *testing.T) {
	for _, tt := range []struct {
		name, said string
		claim      any
		forged     bool
		grant      any
		fromEvent  bool
		want       string
	}{
		{name: "claim", claim: "acme", want: "acme"},
		{name: "number", claim: 17, want: "17"},
		{name: "default", claim: "default", want: ""},
		{name: "claim against the event", claim: "acme", said: "beta", fromEvent: true, want: refused},
		{name: "the grant goes first", claim: "acme", grant: "beta", want: "beta"},
		{name: "no claim", want: refused},
		{name: "no claim, the event's word counts", said: "beta", fromEvent: true, want: "beta"},
		{name: "forged", claim: "acme", forged: true, want: refused},
		{name: "forged, the event's word counts", claim: "acme", said: "beta", forged: true, fromEvent: true, want: "beta"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) {
				withSecret(c)
				c.Tenant = TenantConfig{Claim: "org", AuthAttribute: "tenants", FromEvent: tt.fromEvent}
			})
			secret := testSecret
			if tt.forged {
				secret = "x"
			}
			tok := token(t, jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": "7", "org": tt.claim})
			ctx, rec := receipt.NewContext(client.NewContext(t.Context(), client.Info{Auth: sender{"tenants": tt.grant}}))
			ev := request1()
			ev.TenantID = tt.said
			ld := logsOf(ev, authorization("Bearer "+tok))
			_, err := e.process(ctx, ld)
			rejected, _ := rec.Processed()
			if tt.want == refused {
				require.Error(t, err)
				require.Len(t, rejected, 1)
				return
			}
			require.NoError(t, err)
			events, err := activitylogs.Events(ld)
			require.NoError(t, err)
			assert.Equal(t, tt.want, events[0].TenantID)
		})
	}
}

// A refused event never takes its neighbours with it.
func TestRefusedAlone(t *testing.T) {
	e := started(t, func(c *Config) { c.Tenant = TenantConfig{AuthAttribute: "tenants"} })
	ctx, rec := receipt.NewContext(client.NewContext(t.Context(), client.Info{Auth: sender{"tenants": "acme"}}))
	var b activitylogs.Builder
	for i, tenant := range []string{"acme", "beta", "", "beta"} {
		ev := request1()
		ev.ID[15], ev.TenantID = byte(i+1), tenant
		b.Add(ev, nil)
	}
	ld := b.Logs()
	_, err := e.process(ctx, ld)
	require.NoError(t, err)
	events, err := activitylogs.Events(ld)
	require.NoError(t, err)
	var passed, out []byte
	for i := range events {
		assert.Equal(t, "acme", events[i].TenantID)
		passed = append(passed, events[i].ID[15])
	}
	rejected, _ := rec.Processed()
	for _, r := range rejected {
		out = append(out, r.ID[15])
	}
	assert.Equal(t, []byte{1, 3}, passed)
	assert.Equal(t, []byte{2, 4}, out)
}

// The tenant is part of the id that an event without one gets, and it is the
// tenant as settled, not as said.
func TestTenantIsPartOfADerivedID(t *testing.T) {
	e := started(t, func(c *Config) { c.Tenant = TenantConfig{AuthAttribute: "tenants"} })
	ids := map[activity.ID]string{}
	for _, tenant := range []string{"acme", "beta", "default"} {
		ctx := client.NewContext(t.Context(), client.Info{Auth: sender{"tenants": tenant}})
		ld := otlp(1)
		_, err := e.process(ctx, ld)
		require.NoError(t, err)
		events, err := activitylogs.Events(ld)
		require.NoError(t, err)
		ids[events[0].ID] = tenant
	}
	assert.Len(t, ids, 3)
}
