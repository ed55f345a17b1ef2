package sqldb

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// maxKnown bounds the counts that one session remembers, 48 bytes each.
const maxKnown = 64

// known are the counts a session has made since the last commit to the database.
// Every page of a list asks for the same one. The database itself says whether
// anything was committed, by whatever process: a remembered count is as exact
// as one made again.
type known struct {
	version int64 // of the data the counts are of
	counts  map[countKey]activity.Count
}

// countKey is the same for two counts of the same events up to the same limit.
type countKey [sha256.Size]byte

func countKeyOf(scope activity.Scope, q *activity.Query, limit int64) countKey {
	return sha256.Sum256(fmt.Appendf(nil, "%t %q %v %d %d %d %#v",
		scope.All(), scope.List(), q.Kinds, q.From, q.To, limit, q.Filters))
}

// forget drops the counts when the data have changed since. It reports false
// when the database cannot say, and nothing may be remembered.
func (c *session) forget(ctx context.Context, d dialect) (bool, error) {
	query := d.dataVersion()
	if query == "" {
		return false, nil
	}
	b := &builder{dialect: d}
	version, err := c.number(ctx, b.add(query))
	if err != nil {
		return false, fmt.Errorf("ask for the version of the data: %w", err)
	}
	if c.known.counts == nil || version != c.known.version || len(c.known.counts) >= maxKnown {
		c.known = known{version: version, counts: map[countKey]activity.Count{}}
	}
	return true, nil
}
