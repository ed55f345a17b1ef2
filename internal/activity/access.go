package activity

import "unsafe"

// Text points at a TypeText or TypeJSON field; nil for another type.
//
// Every event passes here some three hundred times between its arrival and its
// commit, so the field is found by its place in the struct: a jump table costs
// more than what is done with the text.
func (e *Event) Text(f Field) *string {
	if f >= fieldEnd || textPlaces[f] == 0 {
		return nil
	}
	return (*string)(unsafe.Add(unsafe.Pointer(e), textPlaces[f])) //nolint:gosec // the place of a string, see textPlaces
}

// textPlaces holds the offset of each field that text points at, 0 for the
// others: no text comes first in an Event.
var textPlaces = placeTexts()

func placeTexts() (places [fieldEnd]uintptr) {
	var e Event
	for f := range fieldEnd {
		if p := e.text(f); p != nil {
			places[f] = uintptr(unsafe.Pointer(p)) - uintptr(unsafe.Pointer(&e)) //nolint:gosec // a difference inside one struct
		}
	}
	return places
}

// text is Text, field by field.
func (e *Event) text(f Field) *string {
	switch f {
	case FieldType:
		return &e.Type
	case FieldTenantID:
		return &e.TenantID
	case FieldService:
		return &e.Service
	case FieldProducer:
		return &e.Producer
	case FieldAction:
		return &e.Action
	case FieldOutcome:
		return &e.Outcome
	case FieldReason:
		return &e.Reason
	case FieldUserID:
		return &e.UserID
	case FieldUsername:
		return &e.Username
	case FieldUserEmail:
		return &e.UserEmail
	case FieldUserRoles:
		return &e.UserRoles
	case FieldActorType:
		return &e.ActorType
	case FieldOnBehalfOf:
		return &e.OnBehalfOf
	case FieldAuthMethod:
		return &e.AuthMethod
	case FieldAuthVerified:
		return &e.AuthVerified
	case FieldAuthIssuer:
		return &e.AuthIssuer
	case FieldAuthKeyID:
		return &e.AuthKeyID
	case FieldSessionKey:
		return &e.SessionKey
	case FieldRemoteIP:
		return &e.RemoteIP
	case FieldUserAgent:
		return &e.UserAgent
	case FieldBrowser:
		return &e.Browser
	case FieldPlatform:
		return &e.Platform
	case FieldOperatingSystem:
		return &e.OperatingSystem
	case FieldCity:
		return &e.City
	case FieldCountry:
		return &e.Country
	case FieldCountryCode:
		return &e.CountryCode
	case FieldRegionCode:
		return &e.RegionCode
	case FieldObjectID:
		return &e.ObjectID
	case FieldContentType:
		return &e.ContentType
	case FieldObjectRepr:
		return &e.ObjectRepr
	case FieldObjectJSONRepr:
		return &e.ObjectJSONRepr
	case FieldChangedFields:
		return &e.ChangedFields
	case FieldExtraData:
		return &e.ExtraData
	case FieldMethod:
		return &e.Method
	case FieldURL:
		return &e.URL
	case FieldQueryString:
		return &e.QueryString
	case FieldRoute:
		return &e.Route
	case FieldOrigin:
		return &e.Origin
	case FieldCategory:
		return &e.Category
	case FieldSource:
		return &e.Source
	case FieldMessage:
		return &e.Message
	case FieldTraceback:
		return &e.Traceback
	case FieldTruncatedFields:
		return &e.TruncatedFields
	}
	return nil
}

// Int points at a TypeInt or TypeTime field; nil for another type.
func (e *Event) Int(f Field) *int64 {
	switch f {
	case FieldDatetime:
		return &e.Datetime
	case FieldReceivedAt:
		return &e.ReceivedAt
	case FieldStoredNS:
		return &e.StoredNS
	case FieldProducerSeq:
		return &e.ProducerSeq
	case FieldSeverityNumber:
		return &e.SeverityNumber
	case FieldResponseStatus:
		return &e.ResponseStatus
	case FieldAllowed:
		return (*int64)(&e.Allowed)
	case FieldFlags:
		return (*int64)(&e.Flags)
	case FieldSchemaVersion:
		return &e.SchemaVersion
	}
	return nil
}

// Opt points at a TypeOpt field; nil for another type.
func (e *Event) Opt(f Field) *OptInt64 {
	switch f {
	case FieldLatitude:
		return &e.Latitude
	case FieldLongitude:
		return &e.Longitude
	case FieldResponseTimeUS:
		return &e.ResponseTimeUS
	case FieldRequestBodySize:
		return &e.RequestBodySize
	case FieldResponseBodySize:
		return &e.ResponseBodySize
	}
	return nil
}

// Bytes gives a TypeBytes field, nil when it is empty or all zero: under the
// zero rule an absent trace id and a zero one are the same. The seal is given
// as it is.
func (e *Event) Bytes(f Field) []byte {
	switch f {
	case FieldID:
		return e.ID[:]
	case FieldTraceID:
		if e.TraceID == [16]byte{} {
			return nil
		}
		return e.TraceID[:]
	case FieldSpanID:
		if e.SpanID == [8]byte{} {
			return nil
		}
		return e.SpanID[:]
	case FieldIntegrityHash:
		return e.IntegrityHash
	case FieldIntegritySalts:
		return e.IntegritySalts
	case FieldIntegrityCommitments:
		return e.IntegrityCommitments
	}
	return nil
}

// SetBytes sets a TypeBytes field from a copy of b. It reports false when the
// field cannot hold that length.
func (e *Event) SetBytes(f Field, b []byte) bool {
	switch f {
	case FieldID:
		return copyExact(e.ID[:], b)
	case FieldTraceID:
		return copyExact(e.TraceID[:], b)
	case FieldSpanID:
		return copyExact(e.SpanID[:], b)
	case FieldIntegrityHash:
		e.IntegrityHash = append([]byte(nil), b...)
	case FieldIntegritySalts:
		e.IntegritySalts = append([]byte(nil), b...)
	case FieldIntegrityCommitments:
		e.IntegrityCommitments = append([]byte(nil), b...)
	default:
		return false
	}
	return true
}

func copyExact(dst, src []byte) bool {
	if len(src) == 0 {
		clear(dst)
		return true
	}
	return copy(dst, src) == len(dst) && len(src) == len(dst)
}
