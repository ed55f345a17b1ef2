package scylla

import (
	"crypto/sha256"
	"hash/fnv"
	"math"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

const (
	nsPerHour = int64(3_600_000_000_000)
	nsPerMS   = int64(1_000_000)
	msPerHour = nsPerHour / nsPerMS
)

// hourOf gives the hour that a datetime (Unix nanoseconds) lies in, as the Unix
// milliseconds of its beginning, which is what a CQL timestamp holds.
func hourOf(datetime int64) int64 {
	h := datetime / nsPerHour
	if datetime%nsPerHour < 0 {
		h--
	}
	return h * msPerHour
}

// hourStart gives the first nanosecond of an hour, hourEnd the last; both stay
// within int64.
func hourStart(hour int64) int64 {
	if hour < math.MinInt64/nsPerMS {
		return math.MinInt64
	}
	return hour * nsPerMS
}

func hourEnd(hour int64) int64 {
	if hour > (math.MaxInt64-nsPerHour)/nsPerMS {
		return math.MaxInt64
	}
	return hourStart(hour+msPerHour) - 1
}

// shardOf spreads the events of an hour over partitions. It depends on the id
// alone: every acceptance of a key has to come to the same row.
func shardOf(id activity.ID, shards int) int {
	h := fnv.New32a()
	_, _ = h.Write(id[:])                  // never fails
	return int(h.Sum32() % uint32(shards)) //nolint:gosec // shards is 1..maxShards
}

// digestSize is the length of a looked-up value in bytes.
const digestSize = 16

// digest stands for the value of a field in the lookups. It is no secret: who
// has the value can compute it. It keeps the value itself out of keys, which
// cannot be emptied.
func digest(field activity.Field, value string) string {
	h := sha256.New()
	_, _ = h.Write([]byte(field.String())) // never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(value))
	return string(h.Sum(nil)[:digestSize])
}

// lookedUp are the fields with a lookup, the most selective first.
var lookedUp = []activity.Field{activity.FieldObjectID, activity.FieldUserID, activity.FieldRemoteIP}

// bucket is one partition: of events (source is the kind, value is empty) or of
// lookups (source is the field, value its digest, shard 0).
type bucket struct {
	tenant, source, value string
	hour                  int64 // Unix milliseconds
	shard                 int
}

func (s *store) eventBucket(e *activity.Event) bucket {
	return bucket{tenant: e.TenantID, source: e.Kind.String(), hour: hourOf(e.Datetime), shard: shardOf(e.ID, s.shards)}
}

// lookupBuckets gives the lookups that an event is in.
func lookupBuckets(e *activity.Event) []bucket {
	out := make([]bucket, 0, len(lookedUp))
	for _, f := range lookedUp {
		if v := *e.Text(f); v != "" {
			out = append(out, bucket{tenant: e.TenantID, source: f.String(), value: digest(f, v), hour: hourOf(e.Datetime)})
		}
	}
	return out
}
