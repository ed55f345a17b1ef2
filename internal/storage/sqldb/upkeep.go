package sqldb

import (
	"context"
	"errors"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// upkeeper is the keeper of a writer that does retention and erasure only: it
// knows nothing between transactions.
type upkeeper struct{}

var _ keeper = upkeeper{}

func (upkeeper) load(context.Context, *session) error { return nil }

func (upkeeper) prepare(context.Context, *session, []activity.Event) error { return nil }

func (upkeeper) mark() (undo func()) { return func() {} }

func (upkeeper) store(context.Context, *session, []activity.Event) (storage.WriteResult, error) {
	return storage.WriteResult{}, errors.New("the writer of retention and erasure stores no events")
}

func (upkeeper) probe(context.Context, *session) error { return nil }
