package enrichprocessor

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// A condition sees the finished record: what enrich made of it, and nothing that
// enrich removed. Resource and scope are still those received.
func TestConditionsSeeTheFinishedRecord(t *testing.T) {
	signed := "Bearer " + token(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"sub": "7", "username": "ada"})
	for _, tt := range []struct {
		condition string
		met       bool
	}{
		{`attributes["user.id"] == "7"`, true}, // from the token
		{`log.attributes["user.name"] == "ada"`, true},
		{`attributes["activity.auth.verification"] == "verified"`, true},
		{`attributes["http.response.status_code"] == 404`, true},
		{`attributes["http.response.status_code"] >= 500`, false},
		{`attributes["activity.outcome"] == "failure"`, true}, // derived
		{`attributes["activity.action"] == "GET"`, true},
		{`attributes["client.address"] == "198.51.100.7"`, true}, // from the peer
		{`attributes["user_agent.name"] == "Chrome"`, true},
		{`attributes["activity.tenant.id"] == "acme"`, true},
		{`attributes["session.id"] == "s3cr3t"`, false}, // it is hashed by then
		{`IsMatch(attributes["url.query"], "hush")`, false},
		{`IsMatch(attributes["url.query"], "token=")`, true}, // masked
		{`attributes["http.request.header.authorization"] != nil`, false},
		{`attributes["network.peer.address"] != nil`, false},
		{`attributes["x.colour"] != nil`, false}, // it is in extra_data by now
		{`IsMatch(attributes["activity.extra_data"], "x.colour.*red")`, true},
		{`severity_number >= SEVERITY_NUMBER_WARN`, true},
		{`event_name == "activity.request"`, true},
		{`log.event_name == "activity.request" and resource.attributes["service.name"] == "shop"`, true},
		{`resource.attributes["host.name"] == "web-1"`, true},
		{`instrumentation_scope.name == "django"`, true},
		{`not (attributes["url.path"] == "/orders/17")`, false},
		{`Len(attributes["url.path"]) > 5 or attributes["absent"] == 1`, true},
	} {
		t.Run(tt.condition, func(t *testing.T) {
			e := started(t, func(c *Config) {
				withSecret(c)
				c.Filter.Drop = []string{tt.condition}
			})
			ev := request1()
			ev.ResponseStatus, ev.TenantID, ev.SessionKey, ev.QueryString = 404, "acme", "s3cr3t", "token=hush"
			ld := logsOf(ev, &activitylogs.Inputs{PeerAddress: "198.51.100.7", Headers: map[string][]string{"authorization": {signed}}})
			record(ld).Attributes().PutStr("x.colour", "red")
			ld.ResourceLogs().At(0).Resource().Attributes().PutStr("host.name", "web-1")
			ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetName("django")
			assert.Equal(t, !tt.met, passesLogs(t, e, ld))
		})
	}
}

func TestKeepOverrulesWhatDrops(t *testing.T) {
	e := started(t, func(c *Config) {
		c.Filter.WatchKinds = []string{"request", "crud", "system"}
		c.Filter.SkipUnchanged = true
		c.Filter.Drop = []string{`attributes["http.request.method"] == "GET"`, `attributes["user.name"] == "bot"`}
		c.Filter.Keep = []string{`attributes["http.response.status_code"] >= 500`, `attributes["user.id"] == "root"`}
	})
	request := func(url string, status int64) *activity.Event {
		ev := request1()
		ev.URL, ev.ResponseStatus = url, status
		return ev
	}
	assert.False(t, passes(t, e, request("/x", 200)))
	assert.True(t, passes(t, e, request("/x", 500)), "an error is kept though every GET is dropped")
	assert.False(t, passes(t, e, request("/static/a.js", 200)))
	assert.True(t, passes(t, e, request("/static/a.js", 503)), "also one whose path is excluded")

	session := crudEvent("sessions.session", "update")
	assert.False(t, passes(t, e, session))
	session.UserID = "root"
	assert.True(t, passes(t, e, session))
	session.ContentType, session.ChangedFields = "shop.order", "{}"
	assert.True(t, passes(t, e, session))
	session.UserID = "7"
	assert.False(t, passes(t, e, session))

	login := &activity.Event{Kind: activity.KindLogin, Type: "login", Datetime: testNow.UnixNano(), UserID: "root"}
	assert.False(t, passes(t, e, login), "a kind that is off stays off")
	assert.True(t, passes(t, e, crudEvent("shop.order", "update")), "nothing drops it")
}

// A condition that cannot be evaluated decides nothing against the event: a drop
// does not hold, a keep does. It is counted and told of once a minute, without a
// word of the event.
func TestFailingConditionsDropNothing(t *testing.T) {
	const fails = `ParseJSON(attributes["user.name"])["a"] == 1`
	dropping := started(t, func(c *Config) { c.Filter.Drop = []string{fails} })
	keeping := started(t, func(c *Config) { c.Filter.Drop, c.Filter.Keep = []string{"true"}, []string{fails} })
	core, logs := observer.New(zap.WarnLevel)
	dropping.logger = zap.New(core)
	ev := request1()
	ev.Username = `{"a": hush`
	assert.True(t, passes(t, dropping, ev))
	assert.True(t, passes(t, dropping, ev))
	assert.True(t, passes(t, keeping, ev))
	require.Equal(t, 1, logs.Len())
	assert.Equal(t, map[string]any{"condition": "drop::0"}, logs.All()[0].ContextMap())

	ev.Username = `{"a": 1}`
	assert.False(t, passes(t, dropping, ev), "the same condition holds once it can be evaluated")
	ev.Username = `{"a": 2}`
	assert.False(t, passes(t, keeping, ev))
}

func TestConditionsThatDoNotCompileNameTheirKey(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Filter.Drop = []string{`true`, `attributes["a"] ==`, `NoSuchFunction(attributes["a"]) == 1`, `set(attributes["a"], 1)`}
	cfg.Filter.Keep = []string{`span.name == "a"`, `nosuchpath == 1`, ``}
	err := cfg.Validate()
	require.Error(t, err)
	for _, want := range []string{
		"filter::drop::1: ", "filter::drop::2: ", "filter::drop::3: ", "filter::keep::0: ", "filter::keep::1: ", "filter::keep::2: ", `NoSuchFunction`, "nosuchpath",
	} {
		require.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), "drop::0")
}

func BenchmarkConditions(b *testing.B) {
	for name, c := range map[string]FilterConfig{
		"none": {},
		"two drops and a keep": {
			Drop: []string{`attributes["http.response.status_code"] >= 600`, `attributes["user.name"] == "bot" and event_name == "activity.crud"`},
			Keep: []string{`attributes["user.id"] == "root"`},
		},
	} {
		b.Run(name, func(b *testing.B) {
			e := started(b, func(cfg *Config) { cfg.Filter.Drop, cfg.Filter.Keep = c.Drop, c.Keep })
			ld := logsOf(request1(), nil)
			r := &request{ctx: b.Context(), resource: ld.ResourceLogs().At(0), scope: ld.ResourceLogs().At(0).ScopeLogs().At(0)}
			lr := record(ld)
			b.ReportAllocs()
			for b.Loop() {
				if by := e.judge(r, lr, nil); by != nil {
					b.Fatal(by.name)
				}
			}
		})
	}
}
