package mongodb

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// It needs a server that asks for users, and one who may make them.
func TestRolesHoldNoMoreThanTheirWork(t *testing.T) {
	text := os.Getenv(dsnVariable)
	if !strings.Contains(text, "@") {
		t.Skipf("%s names no user, so its server may ask for none; make services-up starts one that does", dsnVariable)
	}
	ctx := context.Background()
	cfg := NewDefaultConfig()
	cfg.DSN, cfg.Database, cfg.TLS.Insecure = configopaque.String(text), "activity_roles_"+uuid.NewString()[:8], true
	admin := openTest(t, cfg, Options{})
	commands, err := roles(cfg.Database)
	require.NoError(t, err)
	for _, cmd := range commands {
		require.NoError(t, admin.db.RunCommand(ctx, cmd).Err())
	}
	as := func(user, role string) *store {
		t.Helper()
		const password = "p@ss:word/1"
		require.NoError(t, admin.db.RunCommand(ctx, bson.D{{Key: "createUser", Value: user}, {Key: "pwd", Value: password}, {Key: "roles", Value: bson.A{
			bson.D{{Key: "role", Value: role}, {Key: "db", Value: cfg.Database}},
		}}}).Err())
		d, err := parseDSN(text)
		require.NoError(t, err)
		own := cfg
		own.CreateSchema = false
		own.DSN = configopaque.String("mongodb://" + user + ":" + url.QueryEscape(password) + "@" + d.hosts[0] + "/" + cfg.Database + "?directConnection=true")
		st, err := Open(ctx, own, Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		require.NoError(t, st.Migrate(ctx))
		return st.(*store)
	}
	writer, keeper := as("writer", "activityWriter"), as("keeper", "activityKeeper")
	write(t, writer, newEvents(0, 20))
	assert.Len(t, write(t, writer, newEvents(0, 20)).Duplicates, 20, "it can see what is there")
	all := activity.AllTenants()
	retention := storage.Retention{Before: newEvent(5).Datetime, Limit: 100}
	erasure := storage.Erasure{UserID: "user-6", Group: activity.GroupPersonal, Limit: 100}

	_, err = writer.DeleteBefore(ctx, all, retention)
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.True(t, hasCode(err, 13), err)
	_, err = writer.Erase(ctx, all, erasure)
	require.True(t, hasCode(err, 13), err)
	require.True(t, hasCode(writer.db.Drop(ctx), 13))
	require.True(t, hasCode(writer.events.Indexes().DropOne(ctx, timeIndex), 13))

	gone, err := keeper.DeleteBefore(ctx, all, retention)
	require.NoError(t, err)
	assert.EqualValues(t, 5, gone.Deleted)
	forgotten, err := keeper.Erase(ctx, all, erasure)
	require.NoError(t, err)
	assert.EqualValues(t, 2, forgotten.Erased)
	require.True(t, hasCode(keeper.events.Indexes().DropOne(ctx, timeIndex), 13))
}
