package enrichprocessor

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/identity"
)

// identify takes the client's id and the times. An event without an id gets one
// once its tenant is known (derivedID).
func (e *enricher) identify(r *request, s *scope, lr plog.LogRecord, in *intake) {
	ev := &in.event
	at, ok := identity.TimeOf(ev.ID)
	if ev.ID.IsZero() {
		at, ok = in.textID()
	}
	if ev.ID.IsZero() {
		in.recordHash, in.hashed = recordHash(s, lr), true
	}
	var inID int64
	if ok {
		inID = at.UnixNano()
	}
	e.times(r, in, inID)
}

// textID takes an id that is no UUID from the attributes without a column, by
// the rules of every way in.
func (in *intake) textID() (at time.Time, ok bool) {
	for i, m := range in.rest {
		if m.key != string(semconv.LogRecordUIDKey) {
			continue
		}
		text := m.value.AsString()
		in.rest = append(in.rest[:i], in.rest[i+1:]...)
		id, exact := identity.FromText(text)
		if !exact {
			in.note("_id", jsonString(text))
		}
		in.event.ID = id
		return identity.Time(text)
	}
	return time.Time{}, false
}

// derivedID gives the UUIDv8 of a record that came without an id: the same for
// an SDK's retry of the request, another for an equal sibling in it.
func (in *intake) derivedID(r *request, tenant string) activity.ID {
	if r.ordinals == nil {
		r.ordinals = make(map[[32]byte]uint64)
	}
	h := sha256.New()
	h.Write([]byte(tenant))
	h.Write([]byte{0})
	h.Write(in.recordHash[:])
	var base [32]byte
	h.Sum(base[:0])
	ordinal := r.ordinals[base]
	r.ordinals[base]++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(base[:], ordinal))
	id := activity.ID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// recordHash is over the resource, the scope and the record as received.
func recordHash(s *scope, lr plog.LogRecord) [32]byte {
	b := make([]byte, 0, 1024)
	b = appendHashed(b, s.canonical())
	b = binary.BigEndian.AppendUint64(b, uint64(lr.Timestamp()))
	b = binary.BigEndian.AppendUint64(b, uint64(lr.ObservedTimestamp()))
	b = binary.BigEndian.AppendUint32(b, uint32(lr.SeverityNumber())) //nolint:gosec // the same 32 bits
	b = binary.BigEndian.AppendUint32(b, uint32(lr.Flags()))
	trace, span := lr.TraceID(), lr.SpanID()
	b = append(b, trace[:]...)
	b = append(b, span[:]...)
	b = appendHashed(b, []byte(lr.EventName()))
	b = appendHashed(b, []byte(lr.SeverityText()))
	b = appendHashed(b, appendTyped(nil, lr.Body(), 0))
	b = appendTypedMap(b, lr.Attributes(), 0)
	return sha256.Sum256(b)
}

func appendHashed(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}
