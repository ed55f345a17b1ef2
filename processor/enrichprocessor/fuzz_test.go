package enrichprocessor

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// FuzzRecord sends hostile texts through everything that parses one.
func FuzzRecord(f *testing.F) {
	f.Add("Bearer a.b.c", "1.2.3.4, [::1%eth0]:80", `{"a":[{"b":1}]}`, `{"password":null}`, "/x?token=%zz&a")
	f.Add("JWT eyJhbGciOiJub25lIn0.e30.", `for="[", unknown`, "{\"a\":\"\\", "null", "https://h?x")
	f.Add("bearer ", "::ffff:1.2.3.4:5", "[[[[", "\x00\xff", "?;&==&password=1;x")
	e := started(f, func(c *Config) {
		withSecret(c)
		c.ClientAddress.TrustedProxies = []string{"10.0.0.0/8"}
	})
	f.Fuzz(func(t *testing.T, auth, forwarded, before, after, url string) {
		ev := request1()
		ev.URL, ev.ExtraData = url, before
		got, err := e.process(t.Context(), logsOf(ev, &activitylogs.Inputs{
			Headers:     map[string][]string{"authorization": {auth}, "x-forwarded-for": {forwarded}, "sec-ch-ua": {url}},
			PeerAddress: "10.0.0.1", Before: before, After: after,
		}))
		if err != nil {
			return // filtered by its path
		}
		events, err := activitylogs.Events(got)
		require.NoError(t, err)
		require.Len(t, events, 1)
		for _, field := range []activity.Field{activity.FieldExtraData, activity.FieldObjectJSONRepr, activity.FieldChangedFields} {
			if text := *events[0].Text(field); text != "" {
				assert.True(t, json.Valid([]byte(text)), "%s is not JSON: %q", field, text)
			}
		}
		assert.NotEqual(t, activity.AuthVerified, events[0].AuthVerified)
	})
}
