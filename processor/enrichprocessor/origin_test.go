package enrichprocessor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
)

// What the records share is cut and cleaned like what each has of its own: the
// components behind read it from the resource.
func TestTextsOfTheResourceAreWithinTheirLimits(t *testing.T) {
	e := started(t, nil)
	ld := otlp(2)
	attrs := ld.ResourceLogs().At(0).Resource().Attributes()
	attrs.PutStr(activitylogs.KeyService, "a\x00b"+strings.Repeat("c", 300<<10))
	attrs.PutStr(activitylogs.KeyProducer, strings.Repeat("é", 200)+"\xff")
	for _, got := range eventsOf(t, e, ld) {
		assert.Equal(t, "a\uFFFDb"+strings.Repeat("c", 250), got.Service)
		assert.Equal(t, strings.Repeat("é", 127), got.Producer)
		assert.Equal(t, activity.FlagTruncated, got.Flags)
		assert.Equal(t, "producer,service", got.TruncatedFields)

		again := got
		limits := activity.DefaultLimits()
		assert.Zero(t, activity.Normalise(&again, &limits))
		assert.Equal(t, got, again, "what is sealed is what is stored")
	}
}

func TestTextsOfTheResourceBesideOtherCuts(t *testing.T) {
	e := started(t, func(c *Config) { c.TrustUpstream = true })
	ev := request1()
	ev.Service, ev.URL = strings.Repeat("s", 300), "/"+strings.Repeat("u", 3000)
	ev.Flags, ev.TruncatedFields = activity.FlagTruncated|activity.FlagClockSkew, "message,service"
	got := one(t, e, logsOf(ev, nil))
	assert.Equal(t, activity.FlagTruncated|activity.FlagClockSkew, got.Flags)
	assert.Equal(t, "message,service,url", got.TruncatedFields)
}

// A resource that is cut leaves no seal over it standing, so the event is refused.
func TestSealedEventsOfAResourceThatIsCut(t *testing.T) {
	e := started(t, func(c *Config) { c.TrustUpstream = true })
	ev := request1()
	ev.Service = strings.Repeat("s", 300)
	var enc canonical.Encoder
	enc.Seal(ev, &testSalts)
	_, err := e.process(t.Context(), logsOf(ev, nil))
	require.Error(t, err, "nothing is left to pass on")
}
