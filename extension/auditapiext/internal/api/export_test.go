package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func TestExportsHoldTheRowsOfTheList(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		for _, k := range activity.Kinds() {
			events := newEvents(k, 3)
			events[1].ExtraData = "{\n\t\"a\": 1.0,\r\n\"b\": 18446744073709551615}"
			events[2].UserAgent = "line\nbreak \"quoted\", and; more"
			for i := range events {
				seal(&events[i])
			}
			write(t, s, events...)
			base := k.String() + "-events/"
			var list struct{ Results []json.RawMessage }
			require.NoError(t, json.Unmarshal(a.do(t, http.MethodGet, base).Body.Bytes(), &list))

			for _, path := range []string{"export_json/", "export/json"} {
				w := a.do(t, http.MethodGet, base+path)
				assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
				assert.Equal(t, `attachment; filename="`+k.String()+`event_export.json"`, w.Header().Get("Content-Disposition"))
				var rows []json.RawMessage
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &rows))
				assert.Equal(t, list.Results, rows)
			}

			w := a.do(t, http.MethodGet, base+"export_ndjson/")
			assert.Equal(t, "application/x-ndjson", w.Header().Get("Content-Type"))
			lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
			require.Len(t, lines, 3)
			for i, line := range lines {
				assert.Equal(t, string(list.Results[i]), line)
			}

			w = a.do(t, http.MethodGet, base+"export_csv/?ordering=datetime")
			assert.Equal(t, "text/csv; charset=utf-8", w.Header().Get("Content-Type"))
			cells, err := csv.NewReader(w.Body).ReadAll()
			require.NoError(t, err)
			require.Len(t, cells, 4)
			assert.Equal(t, keysOf(t, list.Results[0]), cells[0], "the columns are the keys")
			assert.Equal(t, events[2].ID.String(), cells[1][0])
			assert.Equal(t, events[0].ID.String(), cells[3][0])
		}
		assert.Equal(t, int64(5*3*4), a.exported)
	})
}

func TestExportsOfNothing(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		assert.Equal(t, "[]\n", a.do(t, http.MethodGet, "crud-events/export_json").Body.String())
		assert.Empty(t, a.do(t, http.MethodGet, "crud-events/export_ndjson").Body.String())
		rows, err := csv.NewReader(a.do(t, http.MethodGet, "crud-events/export_csv").Body).ReadAll()
		require.NoError(t, err)
		assert.Len(t, rows, 1)
	})
}

func TestCellsThatASpreadsheetWouldRun(t *testing.T) {
	s := storagetest.NewMemory()
	a := newAPI(t, s)
	for i, c := range "=+-@\t\r\n" {
		e := newEvent(activity.KindRequest, i)
		e.UserAgent, e.QueryString, e.UserID = string(c)+"cmd|' /C calc'!A0", string(c)+"1+1", "-7"
		write(t, s, e)
	}
	rows, err := csv.NewReader(a.do(t, http.MethodGet, "request-events/export_csv/").Body).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 8)
	for _, row := range rows[1:] {
		for i, name := range rows[0] {
			switch cell := row[i]; {
			case name == "user":
				assert.Equal(t, "-7", cell, "a number stays one")
			case cell != "":
				assert.NotContains(t, "=+-@\t\r\n", cell[:1], name)
			}
		}
	}
}

func TestHeadOfAnExportReadsNothing(t *testing.T) {
	a := newAPI(t, broken{errors.New("must not be read")})
	for _, f := range exportFormats {
		w := a.do(t, http.MethodHead, "crud-events/export_"+f.name)
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Equal(t, f.contentType, w.Header().Get("Content-Type"))
		assert.Empty(t, w.Body.String())
	}
	a.refused(t, http.StatusBadRequest, "crud-events/export_csv?nonsense=1")
}

// failing gives so many events and then an error.
type failing struct {
	storage.Reader
	events int
	gave   int
}

var errDisk = errors.New("disk I/O error")

func (s *failing) Scan(context.Context, activity.Scope, activity.Query) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) {
		for s.gave = range s.events {
			if !yield(storage.Record{Event: newEvent(activity.KindCRUD, s.gave)}, nil) {
				return
			}
		}
		yield(storage.Record{}, errDisk)
	}
}

func TestAnExportThatFailsLooksNoWhole(t *testing.T) {
	for _, f := range exportFormats {
		path := "crud-events/export_" + f.name
		early := newAPI(t, &failing{events: 2}, func(s *Settings) { s.Logger = nop() })
		problemOf(t, http.StatusInternalServerError, early.do(t, http.MethodGet, path))
		assert.Empty(t, early.long)

		late := newAPI(t, &failing{events: 2000}, func(s *Settings) { s.Logger = nop() })
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() { late.do(t, http.MethodGet, path) }, f.name)
		assert.Empty(t, late.long, "its place is given back")
		assert.Equal(t, int64(2000), late.exported)
		assert.Len(t, late.observed, 1)
	}
}

// full is a client that takes no byte.
type full struct{ http.ResponseWriter }

func (full) Write([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

func TestAnExportEndsWithItsClient(t *testing.T) {
	for _, f := range exportFormats {
		s := &failing{events: 100_000}
		a := newAPI(t, s, func(s *Settings) { s.Logger = nop() })
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://x"+Root+"/crud-events/export_"+f.name, http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+testToken)
		var b bytes.Buffer
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() { a.ServeHTTP(full{&recorder{w: &b}}, r) })
		assert.Less(t, s.gave, 200, "reading stops with the first write that failed")
	}
}

// recorder is the least http.ResponseWriter.
type recorder struct {
	w *bytes.Buffer
	h http.Header
}

func (r *recorder) Header() http.Header {
	if r.h == nil {
		r.h = http.Header{}
	}
	return r.h
}
func (r *recorder) Write(b []byte) (int, error) { return r.w.Write(b) }
func (r *recorder) WriteHeader(int)             {}
