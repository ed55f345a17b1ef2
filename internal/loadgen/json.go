package loadgen

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// slot is what is patched in after a piece of rendered text.
type slot uint8

const (
	slotNone     slot = iota
	slotID            // `"id":"...",` or nothing
	slotDatetime      // RFC 3339 with nanoseconds, without quotes
	slotProducer      // without quotes
	slotSeq           // decimal
)

// piece is rendered text and the slot behind it.
type piece struct {
	text []byte
	slot slot
}

// rendered is a template as text.
type rendered []piece

// datetimeLayout is RFC 3339 with a fixed number of digits.
const datetimeLayout = "2006-01-02T15:04:05.000000000Z"

func (t rendered) append(dst []byte, producer string, ref *Ref) []byte {
	for i := range t {
		dst = append(dst, t[i].text...)
		switch t[i].slot {
		case slotID:
			if !ref.ID.IsZero() {
				dst = append(dst, `"id":"`...)
				dst = appendID(dst, ref.ID)
				dst = append(dst, `",`...)
			}
		case slotDatetime:
			dst = time.Unix(0, ref.Datetime).UTC().AppendFormat(dst, datetimeLayout)
		case slotProducer:
			dst = append(dst, producer...)
		case slotSeq:
			dst = strconv.AppendInt(dst, ref.Seq, 10)
		case slotNone:
		}
	}
	return dst
}

func appendID(dst []byte, id activity.ID) []byte {
	dst = hex.AppendEncode(dst, id[0:4])
	dst = hex.AppendEncode(append(dst, '-'), id[4:6])
	dst = hex.AppendEncode(append(dst, '-'), id[6:8])
	dst = hex.AppendEncode(append(dst, '-'), id[8:10])
	return hex.AppendEncode(append(dst, '-'), id[10:16])
}

// renderJSON gives the event as a client posts it to /v1/events.
func renderJSON(e *activity.Event) (rendered, error) {
	members, err := members(e)
	if err != nil {
		return nil, err
	}
	return rendered{
		{text: []byte(`{`), slot: slotID},
		{text: []byte(`"datetime":"`), slot: slotDatetime},
		{text: []byte(`","producer":"`), slot: slotProducer},
		{text: []byte(`","producer_seq":`), slot: slotSeq},
		{text: append(members, '}')},
	}, nil
}

// renderCloudEvent gives the event in the JSON event format of CloudEvents 1.0
// (structured mode).
func renderCloudEvent(e *activity.Event) (rendered, error) {
	members, err := members(e)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf(`"specversion":"1.0","type":%q,"source":%q,"datacontenttype":"application/json","time":"`,
		e.Kind.EventName(), "/"+e.Service)
	return rendered{
		{text: []byte(`{`), slot: slotID},
		{text: []byte(head), slot: slotDatetime},
		{text: []byte(`","data":{"producer":"`), slot: slotProducer},
		{text: []byte(`","producer_seq":`), slot: slotSeq},
		{text: append(members, '}', '}')},
	}, nil
}

// members renders every field a client says, each with a comma before it.
func members(e *activity.Event) ([]byte, error) {
	var dst []byte
	for _, f := range activity.Fields() {
		name, value := member(e, f)
		if value == nil {
			continue
		}
		b, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		dst = append(strconv.AppendQuote(append(dst, ','), name), ':')
		dst = append(dst, b...)
	}
	return dst, nil
}

// member gives a field's name and value in the client's JSON; nil when the
// event does not have it or it is patched in.
func member(e *activity.Event, f activity.Field) (name string, value any) {
	info := f.Info()
	switch f {
	case activity.FieldID, activity.FieldDatetime, activity.FieldProducer, activity.FieldProducerSeq:
		return "", nil
	case activity.FieldType:
		if e.Type == "" {
			return "", nil
		}
		return typeMember(e.Kind), e.Type
	case activity.FieldResponseTimeUS:
		if !e.ResponseTimeUS.Valid {
			return "", nil
		}
		return "response_time_ms", float64(e.ResponseTimeUS.Value) / 1000
	case activity.FieldAllowed:
		if e.Allowed == activity.AllowedUnknown {
			return "", nil
		}
		return info.Name, e.Allowed == activity.AllowedYes
	}
	switch info.Type {
	case activity.TypeKind:
		return info.Name, e.Kind.String()
	case activity.TypeText:
		if s := *e.Text(f); s != "" {
			return info.Name, s
		}
	case activity.TypeJSON:
		if s := *e.Text(f); s != "" {
			return info.Name, json.RawMessage(s)
		}
	case activity.TypeInt, activity.TypeTime:
		if n := *e.Int(f); n != 0 {
			return info.Name, n
		}
	case activity.TypeOpt:
		if o := *e.Opt(f); o.Valid {
			return info.Name, o.Value
		}
	case activity.TypeBytes:
		if b := e.Bytes(f); len(b) > 0 {
			return info.Name, hex.EncodeToString(b)
		}
	}
	return "", nil
}

func typeMember(k activity.Kind) string {
	switch k {
	case activity.KindCRUD:
		return "event_type"
	case activity.KindLogin:
		return "login_type"
	}
	return "event_name"
}
