package acklog_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen/acklog"
)

func written(t *testing.T, finish bool, verdicts ...acklog.Verdict) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "acks")
	log, err := acklog.Create(path, "run-x")
	require.NoError(t, err)
	for i, v := range verdicts {
		ref := loadgen.Ref{Seq: int64(i) + 1, ID: id(i), Datetime: 1000}
		require.NoError(t, log.Write(acklog.AppendLine(nil, v, 0, &ref, ref.ID, "200")))
	}
	if finish {
		require.NoError(t, log.Finish())
	}
	require.NoError(t, log.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = acklog.Create(path, "run-x")
	require.ErrorIs(t, err, os.ErrExist, "a log is never shared by two runs")
	return string(b)
}

func id(i int) activity.ID { return activity.ID{1, byte(i)} }

func stored(i int) *activity.Event {
	return &activity.Event{Producer: "run-x-0", ProducerSeq: int64(i) + 1, ID: id(i), Kind: activity.KindCRUD}
}

func TestTornTailIsLeftOut(t *testing.T) {
	whole := written(t, false, acklog.Acknowledged, acklog.Acknowledged)
	for cut := 1; cut < 20; cut++ {
		ledger, err := acklog.Read(strings.NewReader(whole[:len(whole)-cut]))
		require.NoError(t, err)
		ledger.Stored(stored(0))
		ledger.Stored(stored(1)) // written, though its line was not finished
		r := ledger.Result()
		require.True(t, r.OK(), r.Problems)
		require.True(t, r.Torn)
		require.False(t, r.Complete)
		require.EqualValues(t, 1, r.Acknowledged)
		require.EqualValues(t, 1, r.Extra)
	}
}

func TestVerdicts(t *testing.T) {
	log := written(t, true, acklog.Acknowledged, acklog.Unknown, acklog.Unknown, acklog.Rejected)
	for _, c := range []struct {
		name          string
		stored, dead  []int
		ok            bool
		lost, doubled int64
		wrong         int64
	}{
		{name: "as it should be", stored: []int{0, 1}, ok: true},
		{name: "unknown may be absent", stored: []int{0}, ok: true},
		{name: "refused by the store", dead: []int{0}, ok: true},
		{name: "lost", stored: []int{1, 2}, lost: 1},
		{name: "doubled", stored: []int{0, 0}, doubled: 1},
		{name: "in both places", stored: []int{0}, dead: []int{0}, doubled: 1},
		{name: "unknown twice", stored: []int{0, 1, 1}, doubled: 1},
		{name: "rejected but stored", stored: []int{0, 3}, wrong: 1},
		{name: "never sent", stored: []int{0, 7}, wrong: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ledger, err := acklog.Read(strings.NewReader(log))
			require.NoError(t, err)
			for _, i := range c.stored {
				ledger.Stored(stored(i))
			}
			for _, i := range c.dead {
				ledger.Dead(stored(i))
			}
			ledger.Stored(&activity.Event{Producer: "somebody", ProducerSeq: 1})
			r := ledger.Result()
			assert.Equal(t, c.ok, r.OK())
			assert.Equal(t, [3]int64{c.lost, c.doubled, c.wrong}, [3]int64{r.Lost, r.Doubled, r.Wrong})
			assert.EqualValues(t, 1, r.Others)
			var out bytes.Buffer
			require.NoError(t, r.Print(&out))
			assert.Equal(t, c.ok, strings.HasPrefix(out.String(), "OK"))
		})
	}
}

func TestDamagedLogsAreRefused(t *testing.T) {
	good := written(t, false, acklog.Acknowledged)
	entry := strings.SplitAfter(good, "\n")[1]
	for name, text := range map[string]string{
		"empty":        "",
		"no header":    entry,
		"two entries":  good + entry,
		"verdict":      good + "x" + entry[1:],
		"few words":    good + "a 0 2\n",
		"client":       good + strings.Replace(entry, "a 0 1", "a -1 1", 1),
		"number":       good + strings.Replace(entry, "a 0 1", "a 0 0", 1),
		"large number": good + strings.Replace(entry, "a 0 1", "a 0 99999999999", 1),
	} {
		_, err := acklog.Read(strings.NewReader(text))
		assert.Error(t, err, name)
	}
}

func TestDeadLettersAreReadFromTheirFolder(t *testing.T) {
	dir := t.TempDir()
	event, err := stored(0).MarshalJSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "letters.jsonl"),
		[]byte(`{"time":1,"sink":"auditsql","cause":"refused","event":`+string(event)+"}\n{\"torn"), 0o600))
	ledger, err := acklog.Read(strings.NewReader(written(t, true, acklog.Acknowledged)))
	require.NoError(t, err)
	require.NoError(t, ledger.CompareDeadLetters(dir))
	require.NoError(t, ledger.CompareDeadLetters(filepath.Join(dir, "absent")))
	r := ledger.Result()
	assert.True(t, r.OK(), r.Problems)
	assert.EqualValues(t, 1, r.Dead)
}
