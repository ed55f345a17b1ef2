package mongodb

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func TestASchemaThatMayNotBeMadeStopsTheStart(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t)
	cfg.CreateSchema = false
	opened, err := Open(ctx, cfg, Options{})
	require.NoError(t, err)
	st := opened.(*store)
	defer func() { require.NoError(t, st.Close()) }()
	err = st.Migrate(ctx)
	require.ErrorIs(t, err, activity.ErrInvalid)
	require.ErrorContains(t, err, "auditctl migrate")
	_, err = Open(ctx, cfg, Options{ReadOnly: true})
	require.ErrorContains(t, err, "auditctl migrate")

	// What --print gives makes the schema that Migrate checks.
	defer drop(t, cfg)
	var script bytes.Buffer
	require.NoError(t, Print(cfg, &script))
	commands := 0
	for _, part := range strings.Split(script.String(), "\nrun(")[1:] {
		text, _, ok := strings.Cut(part+"\n", ");\n")
		require.True(t, ok, part)
		var cmd bson.D
		require.NoError(t, bson.UnmarshalExtJSON([]byte(text), false, &cmd), text)
		require.NoError(t, st.db.RunCommand(ctx, cmd).Err())
		commands++
	}
	assert.Equal(t, 4, commands)
	require.NoError(t, st.Migrate(ctx))
	assert.Equal(t, 10, write(t, st, newEvents(0, 10)).Written)

	beside, err := Open(ctx, cfg, Options{ReadOnly: true})
	require.NoError(t, err)
	page, err := beside.Page(ctx, activity.AllTenants(), activity.Query{Limit: 100})
	require.NoError(t, err)
	assert.Len(t, page.Events, 10)
	_, err = beside.Write(ctx, newEvents(0, 1))
	require.ErrorIs(t, err, storage.ErrReadOnly)
	require.ErrorIs(t, beside.Migrate(ctx), storage.ErrReadOnly)
	require.NoError(t, beside.Close())
}

func TestOlderBinaryWorksOnAdditiveSchemaOnly(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t), Options{})
	first, err := schemaFiles.ReadFile("schema/0001_events.json")
	require.NoError(t, err)
	newer, err := readMigrations(fstest.MapFS{
		"schema/0001_events.json": {Data: first},
		"schema/0002_mood.json": {Data: []byte(`{"version": 2, "compatible": 1, "title": "a mood", "commands": [
			{"createIndexes": "activity_events", "indexes": [{"name": "mood", "key": {"mood": 1}}]}]}`)},
		"schema/0003_break.json": {Data: []byte(`{"version": 3, "compatible": 3, "title": "no mood", "commands": [{"dropIndexes": "activity_events", "index": "mood"}]}`)},
	})
	require.NoError(t, err)
	require.NoError(t, st.bringTo(ctx, newer[:2]))
	require.NoError(t, st.Migrate(ctx), "the older binary accepts the additive schema")
	write(t, st, newEvents(0, 3))
	require.NoError(t, st.bringTo(ctx, newer))
	require.ErrorIs(t, st.Migrate(ctx), storage.ErrSchemaTooNew)
	_, err = Open(ctx, st.cfg, Options{ReadOnly: true})
	require.ErrorIs(t, err, storage.ErrSchemaTooNew)
}

func TestTTLIndexFollowsTheConfiguration(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t)
	st := openTest(t, cfg, Options{})
	expect := func(want time.Duration) {
		t.Helper()
		got, found, err := st.currentTTL(ctx)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.Equal(t, want > 0, found)
	}
	expect(0)
	for _, ttl := range []time.Duration{24 * time.Hour, 48 * time.Hour, 0} {
		st.cfg.TTL = ttl
		st.cfg.CreateSchema = false
		require.ErrorContains(t, st.Migrate(ctx), "ttl")
		st.cfg.CreateSchema = true
		require.NoError(t, st.Migrate(ctx))
		expect(ttl)
		var script bytes.Buffer
		require.NoError(t, Print(st.cfg, &script))
		assert.Equal(t, ttl > 0, strings.Contains(script.String(), "expireAfterSeconds"))
	}
	native := func(id byte) (time.Time, bool) {
		e := newEvent(int(id))
		write(t, st, []activity.Event{e})
		var doc bson.Raw
		require.NoError(t, st.events.FindOne(ctx, bson.D{{Key: "id", Value: bson.Binary{Subtype: subtypeUUID, Data: e.ID[:]}}}).Decode(&doc))
		return doc.Lookup(dateField).TimeOK()
	}
	_, there := native(1)
	assert.False(t, there, "nothing redundant without a TTL")
	st.cfg.TTL = time.Hour
	date, there := native(2)
	require.True(t, there)
	assert.True(t, date.Equal(time.Unix(0, newEvent(2).Datetime)))
	got, err := st.Get(ctx, activity.AllTenants(), newEvent(2).ID)
	require.NoError(t, err)
	assert.Equal(t, newEvent(2).Datetime, got.Datetime)
}
