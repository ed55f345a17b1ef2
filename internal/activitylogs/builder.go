package activitylogs

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Inputs are what a client sends for the enrich processor alone. They travel
// beside an event and are consumed before anything is stored, queued or logged.
type Inputs struct {
	// Headers of the reported request, keys in lower case.
	Headers map[string][]string
	// PeerAddress is the peer of the reported request, as its server saw it.
	PeerAddress string
	// Before and After are the object as JSON text.
	Before, After string
}

func (in *Inputs) len() int {
	if in == nil {
		return 0
	}
	n := len(in.Headers)
	for _, s := range [...]string{in.PeerAddress, in.Before, in.After} {
		if s != "" {
			n++
		}
	}
	return n
}

func (in *Inputs) append(b *xpdata.MapBuilder) {
	if in == nil {
		return
	}
	names := make([]string, 0, len(in.Headers))
	for name := range in.Headers {
		names = append(names, name)
	}
	slices.Sort(names) // the same input gives the same record
	for _, name := range names {
		setStrings(b.AppendEmpty(KeyHeaderPrefix+name), in.Headers[name])
	}
	for _, f := range [...]struct{ key, value string }{
		{KeyPeerAddress, in.PeerAddress}, {KeyObjectBefore, in.Before}, {KeyObjectAfter, in.After},
	} {
		if f.value != "" {
			b.AppendEmpty(f.key).SetStr(f.value)
		}
	}
}

// Builder makes one plog.Logs of events, one resource for each pair of service
// and producer, in the order of their first event. The zero value is usable.
type Builder struct {
	logs    plog.Logs
	started bool
	groups  map[origin]plog.LogRecordSlice
}

type origin struct{ service, producer string }

// Add appends a record of e with the inputs, which may be nil.
func (b *Builder) Add(e *activity.Event, in *Inputs) {
	if !b.started {
		b.logs, b.started = plog.NewLogs(), true
		b.groups = make(map[origin]plog.LogRecordSlice, 1)
	}
	key := origin{e.Service, e.Producer}
	records, ok := b.groups[key]
	if !ok {
		rl := b.logs.ResourceLogs().AppendEmpty()
		EncodeResource(e, rl.Resource())
		records = rl.ScopeLogs().AppendEmpty().LogRecords()
		b.groups[key] = records
	}
	encode(e, in, records.AppendEmpty(), nil)
}

// Logs gives what was added and starts anew.
func (b *Builder) Logs() plog.Logs {
	logs := b.logs
	if !b.started {
		logs = plog.NewLogs()
	}
	*b = Builder{}
	return logs
}
