package loadgen

import (
	"fmt"
	"strings"
)

// Format is how a batch is written.
type Format uint8

// The formats.
const (
	JSON        Format = iota + 1 // JSON array
	NDJSON                        // one object a line
	CloudEvents                   // CloudEvents 1.0 JSON batch
	OTLP                          // ExportLogsServiceRequest, protobuf
)

var formatNames = [...]string{JSON: "json", NDJSON: "ndjson", CloudEvents: "cloudevents", OTLP: "otlp"}

// String is the format's name on a command line.
func (f Format) String() string {
	if int(f) >= len(formatNames) {
		return ""
	}
	return formatNames[f]
}

// ParseFormat takes json, ndjson, cloudevents or otlp.
func ParseFormat(s string) (Format, error) {
	for f, name := range formatNames {
		if name != "" && strings.EqualFold(name, s) {
			return Format(f), nil
		}
	}
	return 0, fmt.Errorf("%q is not a format: use json, ndjson, cloudevents or otlp", s)
}

// ContentType is the media type of a body.
func (f Format) ContentType() string {
	switch f {
	case NDJSON:
		return "application/x-ndjson"
	case CloudEvents:
		return "application/cloudevents-batch+json"
	case OTLP:
		return "application/x-protobuf"
	}
	return "application/json"
}

// Batch is one request: what it holds and its body. Its slices are reused by
// the next Render into it.
type Batch struct {
	Refs []Ref
	Body []byte
}

// Render draws the next n events into b.
func (s *Stream) Render(f Format, n int, b *Batch) {
	b.Refs, b.Body = b.Refs[:0], b.Body[:0]
	if f == OTLP {
		s.renderOTLP(n, b)
		return
	}
	open, between, end := "[", ",", "]"
	if f == NDJSON {
		open, between, end = "", "\n", "\n"
	}
	b.Body = append(b.Body, open...)
	for i := range n {
		if i > 0 {
			b.Body = append(b.Body, between...)
		}
		d := s.next()
		form := d.template.json
		if f == CloudEvents {
			form = d.template.cloudEvent
		}
		b.Body = form.append(b.Body, s.producer, &d.Ref)
		b.Refs = append(b.Refs, d.Ref)
	}
	b.Body = append(b.Body, end...)
}

// Service names the service the stream's client belongs to.
func (s *Stream) Service() string { return s.service }
