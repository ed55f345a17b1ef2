package integrityprocessor

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
)

// batch is a request laid out flat, so that workers can take ranges of it.
type batch struct {
	records []record
	salts   []byte // canonical.SaltsSize for each record
}

type record struct {
	resource pcommon.Resource
	log      plog.LogRecord
}

func newBatch(ld plog.Logs) *batch {
	b := &batch{records: make([]record, 0, ld.LogRecordCount())}
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				b.records = append(b.records, record{rl.Resource(), lr})
			}
		}
	}
	return b
}

// tally counts what became of records.
type tally struct{ sealed, kept, invalid int64 }

func (t *tally) add(o tally) {
	t.sealed += o.sealed
	t.kept += o.kept
	t.invalid += o.invalid
}

// sealer is what one goroutine needs, kept between batches.
type sealer struct {
	encoder canonical.Encoder
	event   activity.Event
	// room for one seal, so that Seal does not allocate
	hash        [activity.HashSize]byte
	salts       [canonical.SaltsSize]byte
	commitments [2 * activity.CommitmentSize]byte
}

// sealAttributes is how many attributes a seal adds to a record.
const sealAttributes = 4

// seal seals one record. A record that carries any part of a seal keeps it as it
// is: to seal it again would turn a change made on the way into a valid row.
func (s *sealer) seal(r record, salts *[canonical.SaltsSize]byte, t *tally) error {
	e := &s.event
	if err := activitylogs.Decode(r.resource, r.log, e); err != nil {
		return err
	}
	if carriesSeal(e) {
		if s.encoder.Verify(e) == canonical.Verified {
			t.kept++
		} else {
			t.invalid++
		}
		return nil
	}
	e.IntegrityHash, e.IntegritySalts, e.IntegrityCommitments = s.hash[:0], s.salts[:0], s.commitments[:0]
	s.encoder.Seal(e, salts)
	attrs := r.log.Attributes()
	attrs.EnsureCapacity(attrs.Len() + sealAttributes)
	activitylogs.EncodeSeal(e, r.log)
	t.sealed++
	return nil
}

func carriesSeal(e *activity.Event) bool {
	return len(e.IntegrityHash) > 0 || len(e.IntegritySalts) > 0 || len(e.IntegrityCommitments) > 0 || e.SchemaVersion != 0
}
