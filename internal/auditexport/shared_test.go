package auditexport

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// sharer is an auditapi extension with one database.
type sharer struct {
	component.StartFunc
	component.ShutdownFunc
	database string
	store    storage.Store
}

func (s *sharer) SharedStore(database string) (storage.Store, bool) {
	return s.store, database == s.database
}

type host struct {
	extensions map[component.ID]component.Component
}

func (h host) GetExtensions() map[component.ID]component.Component { return h.extensions }

func TestStartTakesTheStoreOfTheExtension(t *testing.T) {
	id := component.MustNewID("auditapi")
	set := settings(t)
	set.Delivery.AuditAPI = &id
	owner := &faults{}
	f := func(problem string, extension component.Component) *auditExporter {
		t.Helper()
		_, e := made(t, set)
		h := host{extensions: map[component.ID]component.Component{}}
		if extension != nil {
			h.extensions[id] = extension
		}
		err := e.start(t.Context(), h)
		if problem == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, problem)
		}
		require.NoError(t, e.shutdown(context.Background()), "the extension's store is not closed")
		return e
	}
	f("there is no extension", nil)
	f("no store to share", struct {
		component.StartFunc
		component.ShutdownFunc
	}{})
	f("another database", &sharer{database: "sqlite:/else/activity.db"})
	e := f("", &sharer{database: set.Identity, store: owner})
	assert.Same(t, owner, e.store)
}
