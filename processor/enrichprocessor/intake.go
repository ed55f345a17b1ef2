package enrichprocessor

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// intake is one event on its way in: what became a field, what only enrichers
// may see, and what has no column.
type intake struct {
	event         activity.Event
	reader        activitylogs.Reader
	headers       []header
	peer          string
	client        netip.Addr // remote_ip when that is an address
	before, after string
	clientExtra   string
	notes         []note   // reserved members of extra_data
	rest          []member // attributes without a column
	recordHash    [32]byte
	hashed        bool
	secrets       *redaction
	judged        bool // our own collector upstream has settled the actor and hashed the session
	sessionDone   bool // the session key is a token's or a cookie's and has its final form
	unchanged     bool // before and after are known and equal
	innocentAgent bool // no secret is found in the user agent
	cut           int  // fields replaced by their digest
}

type header struct {
	name   string
	values pcommon.Value
}

type member struct {
	key   string
	value pcommon.Value
}

// note is one reserved member, its value JSON text.
type note struct{ key, json string }

// room is for what an ordinary event brings in lists. The events of a call take
// it one after the other; a list that outgrows it moves elsewhere.
type room struct {
	headers [16]header
	notes   [8]note
	rest    [8]member
}

func newIntake(kind activity.Kind, cut int, r *request) intake {
	return intake{
		event: activity.Event{Kind: kind}, cut: cut, secrets: &r.secrets,
		headers: r.room.headers[:0], notes: r.room.notes[:0], rest: r.room.rest[:0],
	}
}

func (in *intake) note(key, json string) { in.notes = append(in.notes, note{key, json}) }

// header gives the first value of a header of the reported request.
func (in *intake) header(name string) string {
	for i := range in.headers {
		if in.headers[i].name == name {
			return in.headers[i].join()
		}
	}
	return ""
}

// join gives every value, as RFC 9110 section 5.3 joins repeated fields.
func (h *header) join() string {
	if h.values.Type() != pcommon.ValueTypeSlice {
		return h.values.AsString()
	}
	list := h.values.Slice()
	if list.Len() == 1 {
		return list.At(0).AsString()
	}
	all := make([]string, 0, list.Len())
	for _, v := range list.All() {
		all = append(all, v.AsString())
	}
	return strings.Join(all, ", ")
}

// ours reports whether only this project writes the attribute.
func ours(key string) bool {
	switch key {
	case activitylogs.KeyAuthVerification, activitylogs.KeyAuthIssuer, activitylogs.KeyAuthKeyID,
		activitylogs.KeyFlags, activitylogs.KeyTruncatedFields:
		return true
	}
	return strings.HasPrefix(key, "activity.integrity.")
}

// read sorts everything the record holds, in one pass over its attributes.
func (in *intake) read(lr plog.LogRecord, trusted bool) {
	ev := &in.event
	activitylogs.DecodeRecord(lr, ev)
	if body := lr.Body(); body.Type() == pcommon.ValueTypeStr {
		ev.Message = body.Str()
	}
	var older []member
	for key, v := range lr.Attributes().All() {
		if v.Type() == pcommon.ValueTypeEmpty || (!trusted && ours(key)) {
			continue
		}
		if in.takeInput(key, v) {
			continue
		}
		if old(key) {
			older = append(older, member{key, v})
			continue
		}
		known, err := in.reader.Set(ev, key, v)
		if err == nil && known {
			continue
		}
		if !known || !in.coerce(key, v) {
			in.rest = append(in.rest, member{key, v})
		}
	}
	for _, m := range older {
		in.takeOld(m)
	}
	in.repairWords()
}

func (in *intake) takeInput(key string, v pcommon.Value) bool {
	if name, ok := strings.CutPrefix(key, activitylogs.KeyHeaderPrefix); ok {
		in.headers = append(in.headers, header{strings.ToLower(name), v})
		return true
	}
	switch key {
	case activitylogs.KeyPeerAddress:
		in.peer = v.AsString()
	case activitylogs.KeyObjectBefore:
		in.before = v.AsString()
	case activitylogs.KeyObjectAfter:
		in.after = v.AsString()
	case activitylogs.KeyExtraData:
		in.clientExtra = v.AsString()
	case keyOTelEventName, keyEventName:
		_, taken := activity.ParseKind(v.AsString())
		return taken
	default:
		return false
	}
	return true
}

func old(key string) bool {
	switch key {
	case oldMethod, oldStatusCode, oldURL, oldTarget, oldClientIP, oldUserAgent, oldEndUserID, string(semconv.URLFullKey):
		return true
	}
	return false
}

// takeOld fills a field that no current name has filled.
func (in *intake) takeOld(m member) {
	ev := &in.event
	s := m.value.AsString()
	fill := func(p *string) {
		if *p == "" {
			*p = s
		}
	}
	switch m.key {
	case oldMethod:
		fill(&ev.Method)
	case oldStatusCode:
		if n, ok := integer(m.value); ok && ev.ResponseStatus == 0 {
			ev.ResponseStatus = n
		}
	case oldURL, oldTarget, string(semconv.URLFullKey):
		if ev.Kind != activity.KindCORS {
			s = pathOf(s)
		}
		fill(&ev.URL)
	case oldClientIP:
		fill(&ev.RemoteIP)
	case oldUserAgent:
		fill(&ev.UserAgent)
	case oldEndUserID:
		fill(&ev.UserID)
	}
}

// coerce repairs a value of the wrong type, when one reading of it is certain.
func (in *intake) coerce(key string, v pcommon.Value) bool {
	if v.Type() == pcommon.ValueTypeMap || v.Type() == pcommon.ValueTypeSlice || v.Type() == pcommon.ValueTypeBytes {
		// JSON columns take structured values as their text.
		if key != activitylogs.KeyObjectSnapshot && key != activitylogs.KeyObjectChanges || v.Type() == pcommon.ValueTypeBytes {
			return false
		}
		return set(&in.event, key, func(c pcommon.Value) { c.SetStr(string(appendValue(nil, v, 0))) })
	}
	if set(&in.event, key, func(c pcommon.Value) { c.SetStr(v.AsString()) }) && key != string(semconv.LogRecordUIDKey) {
		return true
	}
	if n, ok := integer(v); ok {
		if set(&in.event, key, func(c pcommon.Value) { c.SetInt(n) }) {
			return true
		}
	}
	if f, err := strconv.ParseFloat(v.AsString(), 64); err == nil {
		if set(&in.event, key, func(c pcommon.Value) { c.SetDouble(f) }) {
			return true
		}
	}
	if b, err := strconv.ParseBool(v.AsString()); err == nil {
		return set(&in.event, key, func(c pcommon.Value) { c.SetBool(b) })
	}
	return false
}

func set(ev *activity.Event, key string, fill func(pcommon.Value)) bool {
	c := pcommon.NewValueEmpty()
	fill(c)
	_, err := activitylogs.Set(ev, key, c)
	return err == nil
}

// integer reads a whole number from an int, a whole double or decimal text.
func integer(v pcommon.Value) (int64, bool) {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return v.Int(), true
	case pcommon.ValueTypeDouble:
		f := v.Double()
		return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<53
	case pcommon.ValueTypeStr:
		n, err := strconv.ParseInt(v.Str(), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// repairWords moves words outside their closed lists to extra_data.
func (in *intake) repairWords() {
	ev := &in.event
	if ev.Kind == activity.KindCRUD || ev.Kind == activity.KindLogin {
		if word, ok := activity.ParseType(ev.Kind, ev.Type); ok {
			ev.Type = word
		} else {
			in.setAside("_type", &ev.Type)
			if ev.Kind == activity.KindCRUD {
				ev.Type = "other"
			}
		}
	}
	if ev.Category == "celery" {
		ev.Category = "queue"
	}
	in.checkWord("_outcome", activity.FieldOutcome)
	in.checkWord("_actor_type", activity.FieldActorType)
	in.checkWord("_auth_method", activity.FieldAuthMethod)
	in.checkWord("_category", activity.FieldCategory)
	if ev.ResponseStatus < 0 || ev.ResponseStatus > 999 {
		in.note("_response_status", strconv.FormatInt(ev.ResponseStatus, 10))
		ev.ResponseStatus = 0
	}
}

func (in *intake) checkWord(key string, f activity.Field) {
	p := in.event.Text(f)
	if *p == "" {
		return
	}
	for _, w := range words[f] {
		if w == *p {
			return
		}
	}
	in.setAside(key, p)
}

func (in *intake) setAside(key string, p *string) {
	if *p != "" {
		in.note(key, jsonString(*p))
		*p = ""
	}
}

var words = map[activity.Field][]string{
	activity.FieldOutcome:    activity.Words(activity.FieldOutcome),
	activity.FieldActorType:  activity.Words(activity.FieldActorType),
	activity.FieldAuthMethod: activity.Words(activity.FieldAuthMethod),
	activity.FieldCategory:   activity.Words(activity.FieldCategory),
}
