package enrichprocessor

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// The tests of docs/holes.md that stand nowhere else.

// TestSubjectsNeedNotBeNumbers: there, a subject that was no integer ended the
// request with a 500.
func TestSubjectsNeedNotBeNumbers(t *testing.T) {
	e := started(t, withSecret)
	for sub, want := range map[string]string{
		"auth0|abc": "auth0|abc", "8f14e45f-ceea-467f-a8b2-6d3c2f3e1c11": "8f14e45f-ceea-467f-a8b2-6d3c2f3e1c11", "漢字": "漢字",
		"a\x00b": "a\ufffdb", strings.Repeat("x", 400): strings.Repeat("x", 255), "0": "0",
	} {
		signed := token(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"sub": sub})
		got := one(t, e, logsOf(request1(), authorization("Bearer "+signed)))
		assert.Equal(t, want, got.UserID, "%.20q", sub)
		assert.Equal(t, activity.AuthVerified, got.AuthVerified)
	}
}

// TestHostileRequestsAreEvents: there, each of these was an exception before the
// first view, and the site answered 500.
func TestHostileRequestsAreEvents(t *testing.T) {
	e := started(t, func(c *Config) { c.ClientAddress.TrustedProxies = []string{"10.0.0.1"} })
	long := strings.Repeat("203.0.113.5, ", 1000)
	for name, change := range map[string]func(*activity.Event, *activitylogs.Inputs){
		"long X-Forwarded-For":  func(_ *activity.Event, in *activitylogs.Inputs) { in.Headers["x-forwarded-for"] = []string{long} },
		"script for an address": func(_ *activity.Event, in *activitylogs.Inputs) { in.Headers["x-forwarded-for"] = []string{"<script>"} },
		"long method":           func(ev *activity.Event, _ *activitylogs.Inputs) { ev.Method = strings.Repeat("M", 500) },
		"NUL in the path":       func(ev *activity.Event, _ *activitylogs.Inputs) { ev.URL = "/a\x00b" },
		"NUL in the user agent": func(ev *activity.Event, _ *activitylogs.Inputs) { ev.UserAgent = "\x00\xff" },
		"long path":             func(ev *activity.Event, _ *activitylogs.Inputs) { ev.URL = "/" + strings.Repeat("x", 10_000) },
		"no peer":               func(_ *activity.Event, in *activitylogs.Inputs) { in.PeerAddress = "" },
		"peer is a unix socket": func(_ *activity.Event, in *activitylogs.Inputs) { in.PeerAddress = "unix:" },
		"no word for a token":   func(_ *activity.Event, in *activitylogs.Inputs) { in.Headers["authorization"] = []string{""} },
		"token is not UTF-8": func(_ *activity.Event, in *activitylogs.Inputs) {
			in.Headers["authorization"] = []string{"Bearer \xff.\xfe."}
		},
		"subject is a structure": func(_ *activity.Event, in *activitylogs.Inputs) {
			in.Headers["authorization"] = []string{"Bearer " + token(t, jwt.SigningMethodHS256, []byte("other"), jwt.MapClaims{"sub": map[string]any{"a": 1}})}
		},
	} {
		ev, in := request1(), &activitylogs.Inputs{PeerAddress: "10.0.0.1:1", Headers: map[string][]string{}}
		change(ev, in)
		got := one(t, e, logsOf(ev, in))
		assert.Equal(t, activity.KindRequest, got.Kind, name)
		assert.LessOrEqual(t, len(got.RemoteIP), 255, name)
		assert.NotContains(t, got.Method+got.URL+got.UserAgent+got.RemoteIP+got.UserID, "\x00", name)
	}
}

// TestEveryKindHasTheClientsAddress: there, logins and changes had the header
// alone, so that those of direct clients had none and were one crowd.
func TestEveryKindHasTheClientsAddress(t *testing.T) {
	e := started(t, func(c *Config) { c.ClientAddress.TrustedProxies = []string{"10.0.0.1"} })
	for _, kind := range activity.Kinds() {
		for peer, want := range map[string]string{"10.0.0.1:443": "198.51.100.7", "192.0.2.9:5000": "192.0.2.9"} {
			ev := &activity.Event{Kind: kind, ID: activity.ID{6: 0x40, 8: 0x80, 15: 1}, Datetime: testNow.UnixNano(), Type: map[activity.Kind]string{
				activity.KindCRUD: "create", activity.KindLogin: "login_failed",
			}[kind]}
			got := one(t, e, logsOf(ev, &activitylogs.Inputs{PeerAddress: peer, Headers: map[string][]string{"x-forwarded-for": {"203.0.113.5, 198.51.100.7"}}}))
			assert.Equal(t, want, got.RemoteIP, "%s from %s", kind, peer)
		}
	}
}

// TestResponsesBelongToTheirRequests: there, an answer was to be written onto
// the newest row of the same path, and never was.
func TestResponsesBelongToTheirRequests(t *testing.T) {
	e := started(t, nil)
	var b activitylogs.Builder
	for i := range 3 {
		ev := request1()
		ev.ID[15] = byte(i + 1)
		ev.ResponseStatus, ev.ResponseTimeUS = int64(200+i), activity.Some(int64(1000+i))
		ev.RequestBodySize, ev.ResponseBodySize = activity.Some(int64(i)), activity.Some(int64(10+i))
		b.Add(ev, nil)
	}
	out, err := e.process(t.Context(), b.Logs())
	require.NoError(t, err)
	events, err := activitylogs.Events(out)
	require.NoError(t, err)
	require.Len(t, events, 3)
	for i, ev := range events {
		assert.EqualValues(t, i+1, ev.ID[15])
		assert.EqualValues(t, 200+i, ev.ResponseStatus)
		assert.Equal(t, activity.Some(int64(1000+i)), ev.ResponseTimeUS)
		assert.Equal(t, activity.Some(int64(i)), ev.RequestBodySize)
		assert.Equal(t, activity.Some(int64(10+i)), ev.ResponseBodySize)
	}
}

// TestQueuedEventsKeepTheirTime: there, an event had the clock of the worker that
// got round to it.
func TestQueuedEventsKeepTheirTime(t *testing.T) {
	e := started(t, nil)
	ev := request1()
	ev.Datetime = testNow.Add(-26 * time.Hour).UnixNano()
	got := one(t, e, logsOf(ev, nil))
	assert.Equal(t, ev.Datetime, got.Datetime)
	assert.Equal(t, testNow.UnixNano(), got.ReceivedAt)
}

// TestNoExpressionBacktracks: an expression that takes Python until the end of
// time for this path. The test would not end.
func TestNoExpressionBacktracks(t *testing.T) {
	e := started(t, func(c *Config) { c.Filter.ExcludeURLsExtra = []string{`^/(a+)+$`} })
	ev := request1()
	ev.URL = "/" + strings.Repeat("a", 2000) + "!"
	assert.Equal(t, ev.URL, one(t, e, logsOf(ev, nil)).URL)
}

func TestUnknownKeysStopTheStart(t *testing.T) {
	for key, value := range map[string]any{"skip_unchanged": true, "crud_event_no_changed_fields_skip": true} {
		err := confmap.NewFromStringMap(map[string]any{"filter": map[string]any{key: value}}).Unmarshal(createDefaultConfig())
		if key == "skip_unchanged" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, key)
	}
}
