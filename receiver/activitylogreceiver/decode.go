package activitylogreceiver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// The codes of a rejected event, for programs.
const (
	codeMalformed       = "malformed_json"
	codeNotObject       = "not_an_object"
	codeDuplicateName   = "duplicate_name"
	codeTooDeep         = "too_deep"
	codeTooLarge        = "event_too_large"
	codeInvalidField    = "invalid_field"
	codeKindRequired    = "kind_required"
	codeTypeRequired    = "type_required"
	codeDatetime        = "datetime_out_of_range"
	codeDatetimeWithID  = "datetime_required_with_id"
	codeDatetimeWithKey = "datetime_required_with_idempotency_key"
	codeCloudEvent      = "invalid_cloudevent"
)

// refusal is why an event is rejected.
type refusal struct {
	code   string
	reason string
}

func (r *refusal) Error() string { return r.code + ": " + r.reason }

func refuse(code, format string, args ...any) *refusal {
	return &refusal{code: code, reason: fmt.Sprintf(format, args...)}
}

// Options of the tokenizer. Bytes that are not UTF-8 have been replaced before;
// what may still be found is a lone surrogate, which is replaced as well.
var (
	strict  = []jsontext.Options{jsontext.AllowInvalidUTF8(true)}
	lenient = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}
)

// draft is what one object said, before its identity and time are settled.
type draft struct {
	event  activity.Event
	inputs activitylogs.Inputs

	id       string
	datetime string
	user     string
	severity [2]int64 // the range of the word, when there is one

	parentTrace [16]byte
	parentSpan  [8]byte

	typeKind activity.Kind // the kind that the type member belongs to
	typeText string

	unknown object
	context string // of the CloudEvent, JSON
	refused *refusal
}

// decoder reads events one after another. It is not safe for concurrent use.
type decoder struct {
	now       time.Time
	maxFuture time.Duration
	maxAge    time.Duration
	key       string // the Idempotency-Key, "" for none

	tokens jsontext.Decoder
	input  bytes.Buffer
	draft  draft
}

// decode reads the event at index from the JSON text of one object. What it
// gives is valid until the next call. id is the event's, or what the client
// said, also when the event is refused.
func (d *decoder) decode(raw []byte, index int) (out *draft, id string, refused *refusal) {
	d.draft = draft{}
	err := d.read(raw, d.draft.take)
	if err == nil {
		err = d.draft.refused
	}
	if err == nil {
		err = d.draft.complete()
	}
	if err == nil {
		err = d.identify(index)
	}
	if err != nil {
		return nil, d.draft.id, err
	}
	return &d.draft, "", nil
}

// read gives the members of an object to take.
func (d *decoder) read(raw []byte, take func(name string, v value)) *refusal {
	if len(raw) > activity.MaxEventBytes {
		return refuse(codeTooLarge, "the event has %d bytes, at most %d are taken", len(raw), activity.MaxEventBytes)
	}
	if !utf8.Valid(raw) {
		raw = bytes.ToValidUTF8(raw, []byte("\uFFFD"))
	}
	// One copy for the whole object; every text is a part of it.
	whole := string(raw)
	d.input = *bytes.NewBuffer(raw)
	d.tokens.Reset(&d.input, strict...)
	if d.tokens.PeekKind() != '{' {
		v, err := d.next(whole)
		if err != nil {
			return syntax(err)
		}
		return refuse(codeNotObject, "want an object, got %s", v.word())
	}
	if _, err := d.tokens.ReadToken(); err != nil {
		return syntax(err)
	}
	for d.tokens.PeekKind() != '}' {
		name, err := d.next(whole)
		if err != nil {
			return syntax(err)
		}
		v, err := d.next(whole)
		if err != nil {
			return syntax(err)
		}
		take(name.text(), v)
	}
	if _, err := d.tokens.ReadToken(); err != nil {
		return syntax(err)
	}
	if _, err := d.tokens.ReadToken(); !errors.Is(err, io.EOF) {
		return refuse(codeMalformed, "something stands behind the object")
	}
	return nil
}

// next reads one value as a part of whole.
func (d *decoder) next(whole string) (value, error) {
	v, err := d.tokens.ReadValue()
	if err != nil {
		return "", err
	}
	end := int(d.tokens.InputOffset())
	return value(whole[end-len(v) : end]), nil
}

func syntax(err error) *refusal {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return refuse(codeDuplicateName, "a name stands twice in one object%s", place(err))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return refuse(codeMalformed, "the JSON text ends too early")
	}
	return refuse(codeMalformed, "not well-formed JSON%s", place(err))
}

func place(err error) string {
	syntactic, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return ""
	}
	return fmt.Sprintf(": %s, after byte %d", syntactic.Err, syntactic.ByteOffset)
}

// take reads one member. The first thing wrong refuses the event; the id is
// still looked for, so that the answer can name it.
func (d *draft) take(name string, v value) {
	if v.isNull() || d.refused != nil && name != "id" {
		return
	}
	m, known := members[name]
	switch {
	case !known:
		// It will stand two levels deeper, in extra_data.
		if v.depth()+2 > activity.MaxJSONDepth {
			d.refused = refuse(codeTooDeep, "%s: %s", shown(name), errTooDeep)
			return
		}
		d.unknown.add(name, v)
		return
	case m.read == nil:
		return
	case v.depth() >= activity.MaxJSONDepth:
		d.refused = refuse(codeTooDeep, "%s: %s", name, errTooDeep)
		return
	}
	if err := m.read(d, v); err != nil && d.refused == nil {
		code := codeInvalidField
		if errors.Is(err, errTooDeep) {
			code = codeTooDeep
		}
		d.refused = refuse(code, "%s: %s", name, err)
	}
}

// typed notes event_type, login_type or event_name, one of which may be given.
func (d *draft) typed(k activity.Kind, v value) error {
	if d.typeKind != 0 {
		return errors.New("give one of event_type, login_type and event_name")
	}
	d.typeKind = k
	if k == activity.KindSystem {
		return textInto(&d.typeText, v)
	}
	if err := textOrIntegerInto(&d.typeText, v); err != nil {
		return err
	}
	word, ok := activity.ParseType(k, d.typeText)
	if !ok {
		return fmt.Errorf("%s is not a %s type", shown(d.typeText), k)
	}
	d.typeText = word
	return nil
}

// complete settles what depends on several members.
func (d *draft) complete() *refusal {
	e := &d.event
	if !e.Kind.Valid() {
		return refuse(codeKindRequired, "kind: want one of %s", kindWords())
	}
	if d.typeKind != 0 && d.typeKind != e.Kind {
		return refuse(codeInvalidField, "%s: only %s events have one", typeMember(d.typeKind), d.typeKind)
	}
	if e.Type = d.typeText; e.Type == "" && activity.TypeWords(e.Kind) != nil {
		return refuse(codeTypeRequired, "%s: a %s event needs it", typeMember(e.Kind), e.Kind)
	}
	switch {
	case d.user == "" || d.user == e.UserID:
	case e.UserID == "":
		e.UserID = d.user
	default:
		return refuse(codeInvalidField, "user: is %s but user_id is %s", shown(d.user), shown(e.UserID))
	}
	if d.severity[1] != 0 {
		switch n := e.SeverityNumber; {
		case n == 0:
			e.SeverityNumber = severityOf(d.severity)
		case n < d.severity[0] || n > d.severity[1]:
			return refuse(codeInvalidField, "severity: does not agree with severity_number %d", n)
		}
	}
	if e.TraceID == [16]byte{} {
		e.TraceID = d.parentTrace
		if e.SpanID == [8]byte{} {
			e.SpanID = d.parentSpan
		}
	}
	return nil
}

// severityOf gives the number of a word: the first of its range in the logs
// data model, where INFO starts at 9 behind TRACE and DEBUG.
func severityOf(bounds [2]int64) int64 {
	const info = 9
	if bounds[0] == 0 {
		return info
	}
	return bounds[0]
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
