package loadgen_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newGenerator(t *testing.T, change func(*loadgen.Config)) *loadgen.Generator {
	t.Helper()
	cfg := loadgen.Config{Seed: 7, Templates: 400, Times: loadgen.Steady(start, time.Millisecond)}
	if change != nil {
		change(&cfg)
	}
	g, err := loadgen.New(cfg)
	require.NoError(t, err)
	return g
}

func TestSameSeedGivesSameEvents(t *testing.T) {
	one, two := newGenerator(t, nil), newGenerator(t, nil)
	assert.Equal(t, one.Stream(3).Batch(500), two.Stream(3).Batch(500))
	for _, f := range []loadgen.Format{loadgen.JSON, loadgen.NDJSON, loadgen.CloudEvents, loadgen.OTLP} {
		var a, b loadgen.Batch
		one.Stream(1).Render(f, 100, &a)
		two.Stream(1).Render(f, 100, &b)
		assert.Equal(t, a, b, f.String())
	}
	other := newGenerator(t, func(c *loadgen.Config) { c.Seed = 8 })
	assert.NotEqual(t, one.Stream(3).Batch(20), other.Stream(3).Batch(20))
}

func TestClientsNeverShareAnIdentity(t *testing.T) {
	g := newGenerator(t, nil)
	ids, places := map[activity.ID]bool{}, map[string]bool{}
	for client := range 6 {
		last := int64(0)
		for _, e := range g.Stream(client).Batch(1000) {
			require.False(t, ids[e.ID], "id %s drawn twice", e.ID)
			require.Equal(t, last+1, e.ProducerSeq)
			require.Equal(t, byte(7), e.ID[6]>>4, "version")
			require.Equal(t, byte(2), e.ID[8]>>6, "variant")
			ids[e.ID], places[e.Producer], last = true, true, e.ProducerSeq
		}
	}
	assert.Len(t, places, 6)
}

func TestMixAndSizesAreAsStated(t *testing.T) {
	g := newGenerator(t, func(c *loadgen.Config) { c.Templates, c.Tenants = 4000, 5 })
	count, tenants := map[activity.Kind]int{}, map[string]bool{}
	var failed, slow int
	for client := range 4 {
		for _, e := range g.Stream(client).Batch(1000) {
			count[e.Kind]++
			tenants[e.TenantID] = true
			if e.Type == "login_failed" {
				failed++
			}
			if e.ResponseTimeUS.Value > 1_500_000 {
				slow++
			}
		}
	}
	assert.InDelta(t, 2400, count[activity.KindRequest], 200)
	assert.InDelta(t, 1000, count[activity.KindCRUD], 200)
	assert.InDelta(t, 320, count[activity.KindLogin], 100)
	assert.Positive(t, count[activity.KindCORS])
	assert.Positive(t, count[activity.KindSystem])
	assert.Len(t, tenants, 5)
	assert.Positive(t, failed)
	assert.Positive(t, slow)

	var b loadgen.Batch
	g.Stream(0).Render(loadgen.NDJSON, 1000, &b)
	assert.InDelta(t, 550, len(b.Body)/1000, 100, "bytes of JSON an event")
}

func TestRenderedJSONSaysWhatTheRefsSay(t *testing.T) {
	for _, withoutIDs := range []bool{false, true} {
		g := newGenerator(t, func(c *loadgen.Config) { c.WithoutIDs = withoutIDs })
		var b loadgen.Batch
		g.Stream(2).Render(loadgen.JSON, 200, &b)
		var events []map[string]any
		require.NoError(t, json.Unmarshal(b.Body, &events))
		require.Len(t, events, 200)
		for i, m := range events {
			at, err := time.Parse(time.RFC3339Nano, m["datetime"].(string))
			require.NoError(t, err)
			require.Equal(t, b.Refs[i].Datetime, at.UnixNano())
			require.InDelta(t, b.Refs[i].Seq, m["producer_seq"], 0)
			require.Equal(t, "load-2", m["producer"])
			_, ok := activity.ParseKind(m["kind"].(string))
			require.True(t, ok)
			if withoutIDs {
				require.NotContains(t, m, "id")
				require.True(t, b.Refs[i].ID.IsZero())
				continue
			}
			require.Equal(t, b.Refs[i].ID.String(), m["id"])
		}
	}
}

func TestNDJSONIsOneObjectALine(t *testing.T) {
	var b loadgen.Batch
	newGenerator(t, nil).Stream(0).Render(loadgen.NDJSON, 3, &b)
	lines := strings.Split(strings.TrimSuffix(string(b.Body), "\n"), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		assert.True(t, json.Valid([]byte(line)), line)
	}
}

func TestCloudEventsCarryTheRequiredAttributes(t *testing.T) {
	var b loadgen.Batch
	newGenerator(t, nil).Stream(0).Render(loadgen.CloudEvents, 2, &b)
	var events []map[string]any
	require.NoError(t, json.Unmarshal(b.Body, &events))
	for i, m := range events {
		assert.Equal(t, "1.0", m["specversion"])
		assert.Equal(t, b.Refs[i].ID.String(), m["id"])
		assert.Contains(t, m["type"], "activity.")
		assert.NotEmpty(t, m["source"])
		assert.Contains(t, m["data"], "producer_seq")
	}
}

func TestOTLPDecodesToTheSameEvents(t *testing.T) {
	var b loadgen.Batch
	newGenerator(t, nil).Stream(1).Render(loadgen.OTLP, 300, &b)
	want := newGenerator(t, nil).Stream(1).Batch(300)

	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b.Body)
	require.NoError(t, err)
	require.Equal(t, 300, ld.LogRecordCount())
	got, err := activitylogs.Events(ld)
	require.NoError(t, err)
	for i := range got {
		got[i].ReceivedAt = 0 // an SDK's observed time, which the collector replaces
		require.Equal(t, want[i], got[i])
	}
}

func TestTimes(t *testing.T) {
	g := newGenerator(t, func(c *loadgen.Config) { c.Times = loadgen.Spread(start, time.Hour) })
	for _, e := range g.Stream(0).Batch(500) {
		require.GreaterOrEqual(t, e.Datetime, start.UnixNano())
		require.Less(t, e.Datetime, start.Add(time.Hour).UnixNano())
	}
	g = newGenerator(t, func(c *loadgen.Config) { c.Times = loadgen.Recent(func() time.Time { return start }) })
	for _, e := range g.Stream(0).Batch(500) {
		require.WithinRange(t, time.Unix(0, e.Datetime), start.Add(-2*time.Second), start)
	}
}

func TestConfigProblemsAreNamed(t *testing.T) {
	for name, cfg := range map[string]loadgen.Config{
		"mix":       {Mix: loadgen.Mix{activity.KindCRUD: 0}},
		"tenants":   {Tenants: -1},
		"templates": {Templates: 1},
	} {
		_, err := loadgen.New(cfg)
		require.ErrorContains(t, err, name)
	}
	mix, err := loadgen.ParseMix("request=3, crud")
	require.NoError(t, err)
	assert.Equal(t, loadgen.Mix{activity.KindRequest: 3, activity.KindCRUD: 1}, mix)
	for _, bad := range []string{"", "nothing=1", "crud=-1", "crud=x", "crud=0"} {
		_, err := loadgen.ParseMix(bad)
		assert.Error(t, err, bad)
	}
}

func BenchmarkRender(b *testing.B) {
	g, err := loadgen.New(loadgen.Config{Seed: 1})
	require.NoError(b, err)
	for _, f := range []loadgen.Format{loadgen.JSON, loadgen.OTLP} {
		b.Run(f.String(), func(b *testing.B) {
			var batch loadgen.Batch
			s := g.Stream(0)
			for b.Loop() {
				s.Render(f, 1000, &batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
		})
	}
}
