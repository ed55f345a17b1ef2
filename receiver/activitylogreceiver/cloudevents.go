package activitylogreceiver

import (
	"encoding/base64"
	"mime"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/identity"
)

// envelope is the part of a CloudEvent (JSON event format 1.0) that matters here.
type envelope struct {
	version, id, source, kind, time, contentType string
	traceparent                                  value
	data                                         value
	base64                                       string
	context                                      object // the attributes that are kept in extra_data
	refused                                      *refusal
}

func (c *envelope) take(name string, v value) {
	if v.isNull() {
		return
	}
	var dst *string
	switch name {
	case "specversion":
		dst = &c.version
	case "id":
		dst = &c.id
	case "source":
		dst = &c.source
	case "type":
		dst = &c.kind
	case "time":
		dst = &c.time
	case "datacontenttype":
		dst = &c.contentType
	case "data_base64":
		dst = &c.base64
	case "data":
		c.data = v
		return
	case "traceparent":
		c.traceparent = v
	}
	if dst != nil {
		if err := textInto(dst, v); err != nil && c.refused == nil {
			c.refused = refuse(codeCloudEvent, "%s: %s", name, err)
			return
		}
	}
	switch name {
	case "time", "datacontenttype", "data_base64":
		return
	}
	if v.depth() > 0 {
		if c.refused == nil {
			c.refused = refuse(codeCloudEvent, "%s: a context attribute is text, a number or a boolean, got %s", shown(name), v.word())
		}
		return
	}
	c.context.add(name, v)
}

// check refuses what is not a CloudEvent that carries one of our events.
func (c *envelope) check() *refusal {
	switch {
	case c.refused != nil:
		return c.refused
	case c.version != "1.0":
		return refuse(codeCloudEvent, `specversion: want "1.0", got %s`, shown(c.version))
	case c.id == "" || c.source == "" || c.kind == "":
		return refuse(codeCloudEvent, "id, source and type are required")
	case c.data != "" && c.base64 != "":
		return refuse(codeCloudEvent, "data and data_base64: want one of them")
	case c.data == "" && c.base64 == "":
		return refuse(codeCloudEvent, "data: the event's members are missing")
	}
	if c.contentType == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(c.contentType)
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return refuse(codeCloudEvent, "datacontenttype: want application/json, got %s", shown(c.contentType))
	}
	return nil
}

// decodeCloudEvent reads the event at index from one CloudEvent. The data holds
// the members of an event; identity and time are the envelope's.
func (d *decoder) decodeCloudEvent(raw []byte, index int) (out *draft, id string, refused *refusal) {
	d.draft = draft{}
	var c envelope
	refused = d.read(raw, c.take)
	if refused == nil {
		refused = c.check()
	}
	if refused != nil {
		return nil, c.id, refused
	}
	data := []byte(c.data)
	if c.base64 != "" {
		var err error
		if data, err = base64.StdEncoding.DecodeString(c.base64); err != nil {
			return nil, c.id, refuse(codeCloudEvent, "data_base64: not base64")
		}
	}
	if refused := d.read(data, d.draft.take); refused != nil {
		return nil, c.id, refused
	}
	if refused := d.fromEnvelope(&c, index); refused != nil {
		return nil, c.id, refused
	}
	return &d.draft, "", nil
}

func (d *decoder) fromEnvelope(c *envelope, index int) *refusal {
	draft := &d.draft
	if draft.refused != nil {
		return draft.refused
	}
	if draft.id != "" {
		draft.unknown.add("id", value(quoted(draft.id)))
	}
	draft.id = c.id
	draft.event.ID = identity.FromCloudEvent(c.source, c.id)
	if c.time != "" {
		draft.datetime = c.time
	}
	if draft.event.Kind == 0 {
		draft.event.Kind, _ = activity.ParseKind(c.kind)
	}
	if c.traceparent != "" && draft.parentTrace == [16]byte{} {
		if err := readTraceparent(draft, c.traceparent); err != nil {
			return refuse(codeInvalidField, "traceparent: %s", err)
		}
	}
	draft.context = c.context.String()
	if refused := draft.complete(); refused != nil {
		return refused
	}
	return d.identify(index)
}
