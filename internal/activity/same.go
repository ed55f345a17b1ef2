package activity

import (
	"bytes"
	"strings"
)

// saidFields are what a client says of an event and no enricher changes. The
// producer is not among them: an instance that starts anew has another id.
var saidFields = []Field{
	FieldType, FieldService, FieldProducerSeq, FieldTraceID, FieldSpanID,
	FieldContentType, FieldMethod, FieldRoute, FieldResponseStatus, FieldResponseTimeUS,
	FieldRequestBodySize, FieldResponseBodySize, FieldCategory, FieldSource, FieldOrigin,
	// Derived when the client says none, and then from the fields above alone.
	FieldAction,
}

// saidVerdict are derived of a cors event by a list of origins, which may be
// another one when the event is sent again; of any other they follow from
// saidFields.
var saidVerdict = []Field{FieldAllowed, FieldOutcome, FieldSeverityNumber}

// saidPersonal and saidContent are left out of the comparison once their group
// has been erased.
var (
	saidPersonal = []Field{FieldURL, FieldQueryString, FieldObjectID}
	saidContent  = []Field{
		FieldReason, FieldObjectRepr, FieldObjectJSONRepr, FieldChangedFields, FieldMessage, FieldTraceback,
	}
)

// saidActor are compared when both events name the actor on the client's word
// alone: a token may have expired, or its keys been out of reach, between an
// event and its retry. The session may be the token's, too.
var saidActor = []Field{FieldUserID, FieldUsername, FieldUserEmail, FieldSessionKey}

// SameContent reports whether two events with the same key are the same event
// sent twice. It compares what the client said; the seal, our clocks, flags and
// whatever the collector derived (address, geo, browser, verdict on a token)
// differ on an honest retry and are not compared; nor are the members of
// extra_data that the collector makes of them.
func SameContent(a, b *Event) bool {
	if a.Kind != b.Kind || !same(a, b, saidFields) {
		return false
	}
	if a.Kind != KindCORS && !same(a, b, saidVerdict) {
		return false
	}
	if !a.Erased(GroupPersonal) && !b.Erased(GroupPersonal) {
		if !same(a, b, saidPersonal) {
			return false
		}
		if a.AuthVerified == AuthNotChecked && b.AuthVerified == AuthNotChecked && !same(a, b, saidActor) {
			return false
		}
	}
	if a.Erased(GroupContent) || b.Erased(GroupContent) {
		return true
	}
	return same(a, b, saidContent) && (a.ExtraData == b.ExtraData || saidMembers(a.ExtraData) == saidMembers(b.ExtraData))
}

// saidMembers gives the members of extra_data, to the byte, without those that
// the collector adds and that differ when the same event is sent again. What is
// no object is given as it is.
func saidMembers(text string) string { return membersBut(text, circumstance) }

// membersBut gives the members of an object, to the byte, whose names left does
// not hold for.
func membersBut(text string, left func(name string) bool) string {
	i := skipSpace(text, 0)
	if !strings.HasPrefix(text[i:], "{") || !ValidJSON(text) {
		return text
	}
	var b strings.Builder
	for i = skipSpace(text, i+1); text[i] != '}'; i = skipSpace(text, i) {
		if text[i] == ',' {
			i = skipSpace(text, i+1)
		}
		start := i
		i = validValue(text, validName(text, start), 0)
		colon := validString(text, start)
		switch name := text[start+1 : colon-1]; {
		case left(name):
		case name == "_attributes":
			if said := membersBut(text[skipSpace(text, skipSpace(text, colon)+1):i], lookedUp); said != "" {
				b.WriteString(text[start:colon] + said + ",")
			}
		default:
			b.WriteString(text[start:i] + ",")
		}
	}
	return b.String()
}

// circumstance reports whether a member of extra_data tells how an event came
// rather than what it is.
func circumstance(name string) bool {
	switch name {
	case "_observed_at_source", "_datetime", "_resource", "_scope", "_auth_failure", "_earlier_actors":
		return true
	}
	return strings.HasPrefix(name, "_claimed_")
}

// lookedUp reports whether an attribute is what the collector finds in a
// database or library of its own, which may be newer when the event is sent
// again.
func lookedUp(name string) bool {
	switch name {
	case "client.as.number", "client.as.organization.name", "user_agent.synthetic.type":
		return true
	}
	return false
}

func same(a, b *Event, fs []Field) bool {
	for _, f := range fs {
		switch fields[f].Type {
		case TypeText, TypeJSON:
			if *a.Text(f) != *b.Text(f) {
				return false
			}
		case TypeInt, TypeTime:
			if *a.Int(f) != *b.Int(f) {
				return false
			}
		case TypeOpt:
			if *a.Opt(f) != *b.Opt(f) {
				return false
			}
		case TypeBytes:
			if !bytes.Equal(a.Bytes(f), b.Bytes(f)) {
				return false
			}
		case TypeKind:
			if a.Kind != b.Kind {
				return false
			}
		}
	}
	return true
}

// Sizes of the seal's parts in bytes.
const (
	HashSize       = 32
	SaltSize       = 16
	CommitmentSize = 32
)

// Erased reports whether the personal or content group was erased: its salt is
// zero while its commitment is kept.
func (e *Event) Erased(g Group) bool {
	if len(e.IntegritySalts) != 2*SaltSize || len(e.IntegrityCommitments) != 2*CommitmentSize {
		return false
	}
	var i int
	switch g {
	case GroupPersonal:
		i = 0
	case GroupContent:
		i = 1
	default:
		return false
	}
	return allZero(e.IntegritySalts[i*SaltSize:(i+1)*SaltSize]) &&
		!allZero(e.IntegrityCommitments[i*CommitmentSize:(i+1)*CommitmentSize])
}

// Erase empties a group and its salt, and keeps the commitment, so that the
// event still verifies. An unsealed event is only emptied.
func (e *Event) Erase(g Group) {
	for _, f := range allFields {
		if fields[f].Group != g {
			continue
		}
		switch fields[f].Type {
		case TypeText, TypeJSON:
			*e.Text(f) = ""
		case TypeOpt:
			*e.Opt(f) = OptInt64{}
		case TypeInt, TypeTime, TypeBytes, TypeKind:
		}
	}
	if len(e.IntegritySalts) != 2*SaltSize {
		return
	}
	salts := append([]byte(nil), e.IntegritySalts...)
	switch g {
	case GroupPersonal:
		clear(salts[:SaltSize])
	case GroupContent:
		clear(salts[SaltSize:])
	case GroupNone, GroupEvent:
	}
	e.IntegritySalts = salts
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
