package clickhouse

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

var update = flag.Bool("update", false, "write the golden files")

// plainBatch is a batch without a connection: the columns that the driver would
// send.
type plainBatch struct {
	driver.Batch
	block proto.Block
}

type plainColumn struct{ column.Interface }

func (c plainColumn) Append(v any) error {
	_, err := c.Interface.Append(v)
	return err
}

func (b *plainBatch) Column(i int) driver.BatchColumn { return plainColumn{b.block.Columns[i]} }

func encoded(t *testing.T, events []activity.Event, revision uint64) (statement string, data []byte) {
	t.Helper()
	pointers := make([]*activity.Event, len(events))
	for i := range events {
		pointers[i] = &events[i]
	}
	fields := columnsOf(pointers)
	b := &plainBatch{}
	b.block.ServerContext = &column.ServerContext{}
	for _, c := range wireColumns(fields) {
		require.NoError(t, b.block.AddColumn(c.Name, column.Type(c.Type)))
	}
	var own block
	require.NoError(t, own.fill(b, fields, pointers))
	own.release()
	var buffer chproto.Buffer
	require.NoError(t, b.block.Encode(&buffer, revision))
	return insertStatement(fields), buffer.Buf
}

// TestBlockOnTheWire holds the statement and the bytes of a block for both
// protocols: HTTP sends it at revision 0, TCP at the revision of the driver.
func TestBlockOnTheWire(t *testing.T) {
	events := newEvents(0, 3)
	events[1].ResponseTimeUS, events[1].Latitude = activity.Some(0), activity.Some(-1)
	events[2].TraceID[0], events[2].SpanID[7] = 1, 2
	events[2].IntegrityHash = []byte{1, 2, 3}
	for name, revision := range map[string]uint64{"http": 0, "native": proto.DBMS_TCP_PROTOCOL_VERSION} {
		statement, data := encoded(t, events, revision)
		got := statement + "\n\n" + hex.Dump(data)
		path := filepath.Join("testdata", name+".golden")
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), got, name)
	}
}

func TestOnlyColumnsWithValuesAreSent(t *testing.T) {
	e := activity.Event{Kind: activity.KindSystem}
	require.Equal(t, "INSERT INTO activity_events (id, kind, datetime_ns, received_ns, stored_ns, tenant_id)", insertStatement(columnsOf([]*activity.Event{&e})))
	full := newEvent(2)
	for _, f := range activity.Fields() {
		if p := full.Text(f); p != nil {
			*p = "x"
		}
		if p := full.Int(f); p != nil {
			*p = 1
		}
		if p := full.Opt(f); p != nil {
			*p = activity.Some(0)
		}
		full.SetBytes(f, []byte(strings.Repeat("x", 16)))
		full.SetBytes(f, []byte(strings.Repeat("x", 8)))
	}
	require.Equal(t, activity.Fields(), columnsOf([]*activity.Event{&e, &full}))
}

// The schema's columns are those of the field table.
func TestSchemaHasEveryField(t *testing.T) {
	all, err := migrations()
	require.NoError(t, err)
	for _, f := range activity.Fields() {
		require.Contains(t, all[0].Statements[0], "\n    "+f.String()+" ")
	}
}
