package enrichprocessor

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// extraData gives the final JSON text: the client's own byte for byte, and
// reserved members only when there is something to say.
func (in *intake) extraData(s *scope, lr plog.LogRecord, e *enricher) string {
	client := in.clientExtra
	if client != "" {
		client = e.safeJSON(in, activity.FieldExtraData, client)
	}
	notes := in.notes
	add := func(key, text string) {
		if text != "" {
			notes = append(notes, note{key, text})
		}
	}
	for _, h := range in.headers {
		if e.keep[h.name] {
			in.rest = append(in.rest, member{"http.request.header." + h.name, h.values})
		}
	}
	add("_attributes", in.secrets.json(membersJSON(in.rest)))
	add("_resource", s.resourceJSON(in.secrets))
	add("_scope", s.scopeJSON(in.secrets))
	if t := lr.Body().Type(); t != pcommon.ValueTypeStr && t != pcommon.ValueTypeEmpty {
		add("_body", in.secrets.json(string(appendValue(nil, lr.Body(), 0))))
	}
	if text := lr.SeverityText(); text != "" {
		add("_severity_text", in.secrets.json(jsonString(text)))
	}
	if f := lr.Flags(); f != 0 {
		add("_trace_flags", strconv.FormatUint(uint64(f), 10))
	}
	text := extend(client, notes)
	if strings.HasPrefix(text, movedClient) && depthOf(text) > activity.MaxJSONDepth {
		text = extend(in.digest(activity.FieldExtraData, client), notes) // it moved one level down
	}
	in.notes = notes
	return text
}

const (
	nameMoved   = "_extra_data"
	movedClient = `{"` + nameMoved + `":`
)

// extend puts the notes behind the client's own members. A text that is no
// object, or that uses a reserved name itself, moves whole under _extra_data.
func extend(client string, notes []note) string {
	if len(notes) == 0 {
		return client
	}
	size := len(movedClient) + len(client) + len("}")
	for _, n := range notes {
		size += len(n.key) + len(n.json) + len(`,"":`)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteByte('{')
	empty := true
	if body := strings.TrimSpace(client); body != "" && body[0] == '{' && !usesAny(body, notes) {
		body = body[1 : len(body)-1]
		empty = strings.TrimSpace(body) == ""
		b.WriteString(body)
	} else if body != "" {
		b.WriteString(movedClient[len("{"):])
		b.WriteString(client)
		empty = false
	}
	for _, n := range notes {
		if !empty {
			b.WriteByte(',')
		}
		empty = false
		b.WriteByte('"')
		b.WriteString(n.key)
		b.WriteString(`":`)
		b.WriteString(n.json)
	}
	b.WriteByte('}')
	return b.String()
}

// usesAny reports whether a JSON object has a member with the name of a note, or
// with the one under which a client's text moves.
func usesAny(object string, notes []note) bool {
	for i := skipSpace(object, 1); i < len(object) && object[i] == '"'; {
		end := endOfString(object, i)
		name := memberName(object[i:end])
		if name == nameMoved || slices.ContainsFunc(notes, func(n note) bool { return n.key == name }) {
			return true
		}
		i = next(object, endOfValue(object, skipSpace(object, skipSpace(object, end)+1)))
	}
	return false
}

// safeJSON gives JSON from outside with its secrets masked. Text that is not
// JSON becomes a JSON string; what is nested too deep is replaced by its digest.
func (e *enricher) safeJSON(in *intake, f activity.Field, text string) string {
	text = activity.CleanText(text)
	if depthOf(text) > activity.MaxJSONDepth {
		return in.digest(f, text)
	}
	if !activity.ValidJSON(text) {
		text = jsonString(text)
	}
	if f == activity.FieldChangedFields {
		return in.secrets.changes(text)
	}
	return in.secrets.json(text)
}

// digest replaces a JSON text that is nested too deep, and counts it.
func (in *intake) digest(f activity.Field, text string) string {
	in.cut++
	return digest(&in.event, f, text)
}

// digest replaces a JSON text that cannot be kept, as a cut one is replaced.
func digest(ev *activity.Event, f activity.Field, text string) string {
	markTruncated(ev, f)
	sum := sha256.Sum256([]byte(text))
	return `{"_truncated":` + strconv.Itoa(len(text)) + `,"_sha256":"` + hex.EncodeToString(sum[:]) + `"}`
}

func markTruncated(ev *activity.Event, f activity.Field) {
	ev.Flags |= activity.FlagTruncated
	name := f.String()
	if ev.TruncatedFields == "" {
		ev.TruncatedFields = name
	} else if !strings.Contains(","+ev.TruncatedFields+",", ","+name+",") {
		ev.TruncatedFields = sortedWords(ev.TruncatedFields + "," + name)
	}
}

// shrink brings an event below MaxEventBytes: extra_data goes first, and of the
// texts only as much as must.
func shrink(ev *activity.Event) (cut int) {
	for _, f := range [...]activity.Field{
		activity.FieldExtraData, activity.FieldObjectJSONRepr, activity.FieldChangedFields, activity.FieldUserRoles,
	} {
		if p := ev.Text(f); ev.Size() > activity.MaxEventBytes && *p != "" {
			*p = digest(ev, f, *p)
			cut++
		}
	}
	for _, f := range [...]activity.Field{activity.FieldTraceback, activity.FieldMessage} {
		if p := ev.Text(f); ev.Size() > activity.MaxEventBytes && *p != "" {
			markTruncated(ev, f) // its name counts as well
			*p = activity.CutText(*p, max(0, len(*p)-(ev.Size()-activity.MaxEventBytes)))
			cut++
		}
	}
	return cut
}

func membersJSON(list []member) string {
	if len(list) == 0 {
		return ""
	}
	var room [512]byte
	b := append(room[:0], '{')
	for i, m := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, m.key), ':')
		b = appendValue(b, m.value, 1)
	}
	return string(append(b, '}'))
}

// appendValue writes a value as JSON: bytes as base64, and what JSON cannot hold
// (NaN, an infinity, nesting beyond the limit) as text or null.
func appendValue(dst []byte, v pcommon.Value, depth int) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return appendString(dst, v.Str())
	case pcommon.ValueTypeInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case pcommon.ValueTypeBool:
		return strconv.AppendBool(dst, v.Bool())
	case pcommon.ValueTypeBytes:
		return appendString(dst, base64.StdEncoding.EncodeToString(v.Bytes().AsRaw()))
	case pcommon.ValueTypeDouble:
		f := v.Double()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return appendString(dst, strconv.FormatFloat(f, 'g', -1, 64))
		}
		return strconv.AppendFloat(dst, f, 'g', -1, 64)
	case pcommon.ValueTypeMap, pcommon.ValueTypeSlice:
		if depth >= activity.MaxJSONDepth-2 {
			return append(dst, "null"...)
		}
	}
	switch v.Type() {
	case pcommon.ValueTypeMap:
		dst = append(dst, '{')
		first := true
		for key, item := range v.Map().All() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(appendString(dst, key), ':')
			dst = appendValue(dst, item, depth+1)
		}
		return append(dst, '}')
	case pcommon.ValueTypeSlice:
		dst = append(dst, '[')
		for i, item := range v.Slice().All() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, item, depth+1)
		}
		return append(dst, ']')
	}
	return append(dst, "null"...)
}
