package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
)

// exportFormat is how rows become a file.
type exportFormat struct {
	name, contentType string
	begin             func(io.Writer, []column) (rowWriter, error)
}

// rowWriter writes the rows of one export.
type rowWriter interface {
	row(e *activity.Event, v canonical.Verdict) error
	end() error
}

var exportFormats = []exportFormat{
	{"csv", "text/csv; charset=utf-8", beginCSV},
	{"json", "application/json", beginJSON},
	{"ndjson", "application/x-ndjson", beginLines},
}

// flushSize is how much of an export is held before it is sent.
const flushSize = 64 << 10

// export streams every event of a query in constant memory. An export that
// cannot be finished ends with a broken connection, never with a clean end.
func (c *call) export() error {
	f := c.endpoint.format
	q, scope, err := c.query()
	if err != nil {
		return err
	}
	if q.Order.ByResponseTime() {
		return fmt.Errorf("%w: ordering: an export is ordered by datetime", activity.ErrInvalid)
	}
	release, err := c.takeLong()
	if err != nil {
		return err
	}
	defer release()
	out := &exportWriter{call: c, format: f}
	if c.r.Method == http.MethodHead {
		return out.flush() // nothing is read for a body that is not sent
	}
	// The server's write timeout is for answers of a page: looking for rare
	// matches may take longer, and only a client that takes nothing is cut off.
	c.noDeadline()
	rows, err := f.begin(out, c.endpoint.columns)
	if err != nil {
		return err
	}
	var exported int64
	defer func() { c.settings.Exported(context.WithoutCancel(c.r.Context()), exported) }()
	var enc canonical.Encoder
	for record, err := range c.settings.Store.Scan(c.r.Context(), scope, q) {
		if err == nil {
			err = rows.row(&record.Event, enc.Verify(&record.Event))
		}
		if err != nil {
			return out.abort(err)
		}
		exported++
	}
	if err := rows.end(); err != nil {
		return out.abort(err)
	}
	if err := out.flush(); err != nil {
		return out.abort(err)
	}
	c.extendDeadline(c.settings.StallTimeout) // for what the server itself still holds
	return nil
}

// exportWriter holds back the first bytes, so that an error before them is an
// ordinary answer, and gives the client a time for each flush.
type exportWriter struct {
	*call
	format  exportFormat
	started bool
	buffer  []byte
}

// Write implements io.Writer.
func (w *exportWriter) Write(b []byte) (int, error) {
	w.buffer = append(w.buffer, b...)
	if len(w.buffer) < flushSize {
		return len(b), nil
	}
	return len(b), w.flush()
}

func (w *exportWriter) flush() error {
	if !w.started {
		w.started = true
		h := w.w.Header()
		h.Set("Content-Type", w.format.contentType)
		h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", w.endpoint.kind.String()+"event_export."+w.format.name))
		w.w.WriteHeader(http.StatusOK)
	}
	w.extendDeadline(w.settings.StallTimeout)
	if _, err := w.w.Write(w.buffer); err != nil {
		return fmt.Errorf("the client took no more: %w", err)
	}
	w.buffer = w.buffer[:0]
	w.noDeadline()
	return nil
}

// abort gives the error to the client as an answer, or, behind the first bytes,
// by breaking the connection.
func (w *exportWriter) abort(err error) error {
	if !w.started {
		return err
	}
	w.settings.Logger.Warn("An export was broken off", zap.String("path", w.r.URL.Path), zap.Error(err))
	panic(http.ErrAbortHandler)
}

// extendDeadline lets the answer take longer than the server's write timeout.
func (c *call) extendDeadline(d time.Duration) {
	// A connection without deadlines needs none moved.
	_ = http.NewResponseController(c.w).SetWriteDeadline(c.settings.Now().Add(d))
}

func (c *call) noDeadline() { _ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{}) }

func (c *call) encode(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.writeJSON(append(b, '\n'))
}

type csvRows struct {
	w       *csv.Writer
	columns []column
	cells   []string
}

func beginCSV(w io.Writer, columns []column) (rowWriter, error) {
	r := &csvRows{w: csv.NewWriter(w), columns: columns, cells: make([]string, len(columns))}
	for i := range columns {
		r.cells[i] = columns[i].name
	}
	return r, r.w.Write(r.cells)
}

func (r *csvRows) row(e *activity.Event, v canonical.Verdict) error {
	for i := range r.columns {
		cell := r.columns[i].of(e, v)
		r.cells[i] = cell.cell()
	}
	return r.w.Write(r.cells)
}

func (r *csvRows) end() error {
	r.w.Flush()
	return r.w.Error()
}

type jsonRows struct {
	w                           io.Writer
	columns                     []column
	before, between, after, buf []byte
	begun                       bool
}

func beginJSON(w io.Writer, columns []column) (rowWriter, error) {
	return &jsonRows{w: w, columns: columns, before: []byte("[\n"), between: []byte(",\n"), after: []byte("\n]\n")}, nil
}

func beginLines(w io.Writer, columns []column) (rowWriter, error) {
	return &jsonRows{w: w, columns: columns, between: []byte("\n"), after: []byte("\n")}, nil
}

func (r *jsonRows) row(e *activity.Event, v canonical.Verdict) error {
	r.buf = append(r.buf[:0], r.between...)
	if !r.begun {
		r.buf = append(r.buf[:0], r.before...)
		r.begun = true
	}
	r.buf = appendRow(r.buf, r.columns, e, v)
	_, err := r.w.Write(r.buf)
	return err
}

func (r *jsonRows) end() error {
	switch {
	case r.begun:
		_, err := r.w.Write(r.after)
		return err
	case len(r.before) > 0:
		_, err := r.w.Write([]byte("[]\n"))
		return err
	}
	return nil
}
