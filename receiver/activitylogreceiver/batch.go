package activitylogreceiver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
)

// maxEvents bounds the events of one request.
const maxEvents = 10_000

// batch is one request as read.
type batch struct {
	events   activitylogs.Builder
	ids      []activity.ID // of the events in it
	indexes  []int         // their places in the request
	rejected []rejection   // by index
}

// format is how a content type is read.
type format struct {
	name        string
	frame       framing
	cloudEvents bool
}

// formats by media type.
var formats = map[string]format{
	"application/json":                   {name: "json", frame: frameJSON},
	"application/x-ndjson":               {name: "ndjson", frame: frameLines},
	"application/jsonl":                  {name: "ndjson", frame: frameLines},
	"application/cloudevents+json":       {name: "cloudevents", frame: frameJSON, cloudEvents: true},
	"application/cloudevents-batch+json": {name: "cloudevents", frame: frameBatch, cloudEvents: true},
}

// readBatch decodes every event of the body into memory that the lease covers.
// A problem means that nothing of the request may be taken.
func readBatch(body []byte, f format, d *decoder, l *lease) (*batch, *problem) {
	b := &batch{}
	count := 0
	decode := d.decode
	if f.cloudEvents {
		decode = d.decodeCloudEvent
	}
	var full *problem
	err := f.frame(body, func(raw []byte) bool {
		count++
		if count <= maxEvents {
			full = b.take(raw, count-1, decode, l)
		}
		return count <= maxEvents && full == nil
	})
	switch {
	case full != nil:
		return b, full
	case err != nil:
		return b, malformed(err, len(body))
	case count > maxEvents:
		return b, newProblem(http.StatusRequestEntityTooLarge, codeTooManyEvents,
			fmt.Sprintf("a request may carry %d events; send the rest in another one", maxEvents))
	case count == 0:
		return b, newProblem(http.StatusBadRequest, codeNoEvents, "the body holds no event")
	}
	return b, nil
}

// take decodes one event and adds it to the batch.
func (b *batch) take(raw []byte, index int, decode func([]byte, int) (*draft, string, *refusal), l *lease) *problem {
	if p := l.reserve(costDecoding * int64(min(len(raw), activity.MaxEventBytes))); p != nil {
		return p
	}
	event, id, refused := decode(raw, index)
	if refused != nil {
		last := b.reject(index, id, refused)
		return l.take(costRejection + costRejectedText*int64(len(last.ID)+len(last.Reason)))
	}
	if p := l.take(event.cost(len(raw))); p != nil {
		return p
	}
	b.events.Add(&event.event, &event.inputs)
	b.ids = append(b.ids, event.event.ID)
	b.indexes = append(b.indexes, index)
	return nil
}

func (b *batch) reject(index int, id string, r *refusal) *rejection {
	const longestID = 255
	b.rejected = append(b.rejected, rejection{
		Index: index, ID: activity.CutText(activity.CleanText(id), longestID), Code: r.code, Reason: r.reason,
	})
	return &b.rejected[len(b.rejected)-1]
}

// merge moves the events that processors refused from ids to rejected.
func (b *batch) merge(refused []receipt.Rejection) {
	if len(refused) == 0 {
		return
	}
	// A request may hold the same id twice; each note is about one of them.
	places := make(map[activity.ID][]int, len(refused))
	for _, r := range refused {
		places[r.ID] = nil
	}
	for i, id := range b.ids {
		if at, wanted := places[id]; wanted {
			places[id] = append(at, i)
		}
	}
	gone := make([]bool, len(b.ids))
	for _, r := range refused {
		at := places[r.ID]
		if len(at) == 0 {
			continue
		}
		places[r.ID] = at[1:]
		gone[at[0]] = true
		b.rejected = append(b.rejected, rejection{Index: b.indexes[at[0]], ID: r.ID.String(), Code: r.Code, Reason: r.Reason})
	}
	kept := b.ids[:0]
	for i, id := range b.ids {
		if !gone[i] {
			kept = append(kept, id)
		}
	}
	b.ids = kept
	slices.SortStableFunc(b.rejected, func(x, y rejection) int { return x.Index - y.Index })
}

// bodyProblem names what went wrong with the connection or its decompression.
func bodyProblem(err error) *problem {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newProblem(http.StatusRequestEntityTooLarge, codeBodyTooLarge,
			fmt.Sprintf("the body has more than %d bytes after decompression", tooLarge.Limit))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return newProblem(http.StatusRequestTimeout, codeBodyTimeout, "the body did not arrive in time; nothing was taken")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return newProblem(http.StatusBadRequest, codeBodyTruncated, "the body ends before its announced length; nothing was taken")
	}
	return newProblem(http.StatusBadRequest, codeBodyMalformed, "the body cannot be read; nothing was taken")
}

func malformed(err error, read int) *problem {
	if read == 0 {
		return newProblem(http.StatusBadRequest, codeNoEvents, "the body is empty")
	}
	detail := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		detail = "the JSON text ends too early"
	}
	if p := place(err); p != "" {
		detail = "not well-formed JSON" + p
	}
	return newProblem(http.StatusBadRequest, codeBodyMalformed, detail+"; nothing was taken")
}
