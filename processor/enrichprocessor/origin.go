package enrichprocessor

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// origin is what the records of one resource share. Its texts are made when the
// first record needs them.
type origin struct {
	event activity.Event // service and producer, and which of them was cut
	attrs pcommon.Resource
	cut   int
	bytes []byte
	json  string
	done  bool
}

// scope is what the records of one scope share.
type scope struct {
	*origin
	attrs pcommon.InstrumentationScope
	bytes []byte
	json  string
	done  bool
}

// newOrigin normalises service and producer here, where their one copy is: every
// component behind reads them from the resource.
func newOrigin(r pcommon.Resource, limits *activity.Limits, p *redaction) *origin {
	o := &origin{attrs: r}
	activitylogs.DecodeResource(r, &o.event)
	o.cut = activity.Normalise(&o.event, limits)
	replaceText(&o.event.Service, p, p.search)
	replaceText(&o.event.Producer, p, p.search)
	return o
}

// share gives an event the texts of its resource, and names what was cut of them.
func (o *origin) share(ev *activity.Event) {
	ev.Service, ev.Producer = o.event.Service, o.event.Producer
	if o.cut == 0 {
		return
	}
	ev.Flags |= activity.FlagTruncated
	ev.TruncatedFields = sortedWords(strings.TrimPrefix(ev.TruncatedFields+","+o.event.TruncatedFields, ","))
}

func (o *origin) scope(s pcommon.InstrumentationScope) scope { return scope{origin: o, attrs: s} }

// canonical gives resource and scope as bytes to hash.
func (s *scope) canonical() []byte {
	if s.bytes != nil {
		return s.bytes
	}
	if s.origin.bytes == nil {
		s.origin.bytes = appendTypedMap(nil, s.origin.attrs.Attributes(), 0)
	}
	s.bytes = appendHashed(nil, s.origin.bytes)
	s.bytes = appendHashed(s.bytes, []byte(s.attrs.Name()))
	s.bytes = appendHashed(s.bytes, []byte(s.attrs.Version()))
	s.bytes = appendTypedMap(s.bytes, s.attrs.Attributes(), 0)
	return s.bytes
}

// resourceJSON gives the resource attributes without a column and without their
// secrets, "" for none.
func (o *origin) resourceJSON(p *redaction) string {
	if o.done {
		return o.json
	}
	o.done = true
	var list []member
	for key, v := range o.attrs.Attributes().All() {
		if key != activitylogs.KeyService && key != activitylogs.KeyProducer {
			list = append(list, member{key, v})
		}
	}
	o.json = p.json(membersJSON(list))
	return o.json
}

// scopeJSON gives the scope without its secrets, "" for none.
func (s *scope) scopeJSON(p *redaction) string {
	if s.done {
		return s.json
	}
	s.done = true
	var list []member
	for _, f := range [...]struct{ key, value string }{{"name", s.attrs.Name()}, {"version", s.attrs.Version()}} {
		if f.value != "" {
			list = append(list, member{f.key, pcommon.NewValueStr(f.value)})
		}
	}
	if s.attrs.Attributes().Len() > 0 {
		v := pcommon.NewValueMap()
		s.attrs.Attributes().CopyTo(v.Map())
		list = append(list, member{"attributes", v})
	}
	s.json = p.json(membersJSON(list))
	return s.json
}

func clearScope(s pcommon.InstrumentationScope) {
	s.SetName("")
	s.SetVersion("")
	s.Attributes().Clear()
}
