package activitylogs

import (
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// form says how a field is written as an attribute value.
type form uint8

const (
	formText    form = iota + 1 // string
	formInt                     // int, 0 absent
	formOpt                     // int, 0 present
	formDegrees                 // double degrees <-> degrees x 1e7
	formMillis                  // double milliseconds <-> microseconds
	formAllowed                 // bool
	formRoles                   // string list <-> JSON list
	formWords                   // string list <-> comma-joined
	formBytes                   // bytes
	formID                      // string, dashed UUID
)

// kindSet is a set of kinds, one bit each.
type kindSet uint8

func kinds(ks ...activity.Kind) kindSet {
	var s kindSet
	for _, k := range ks {
		s |= 1 << k
	}
	return s
}

func (s kindSet) has(k activity.Kind) bool { return s&(1<<k) != 0 }

// row places one field in one attribute, for the kinds that use it.
type row struct {
	key   string
	field activity.Field
	form  form
	kinds kindSet
}

var (
	everyKind = kinds(activity.Kinds()...)
	onlyCORS  = kinds(activity.KindCORS)
)

// rows in the order in which they are written.
var rows = [...]row{
	{string(semconv.LogRecordUIDKey), activity.FieldID, formID, everyKind},
	{KeyTenantID, activity.FieldTenantID, formText, everyKind},
	{KeyCRUDType, activity.FieldType, formText, kinds(activity.KindCRUD)},
	{KeyLoginType, activity.FieldType, formText, kinds(activity.KindLogin)},
	{KeySystemName, activity.FieldType, formText, kinds(activity.KindSystem)},
	{KeyProducerSeq, activity.FieldProducerSeq, formInt, everyKind},
	{KeyAction, activity.FieldAction, formText, everyKind},
	{KeyOutcome, activity.FieldOutcome, formText, everyKind},
	{KeyReason, activity.FieldReason, formText, everyKind},
	{string(semconv.UserIDKey), activity.FieldUserID, formText, everyKind},
	{string(semconv.UserNameKey), activity.FieldUsername, formText, everyKind},
	{string(semconv.UserEmailKey), activity.FieldUserEmail, formText, everyKind},
	{string(semconv.UserRolesKey), activity.FieldUserRoles, formRoles, everyKind},
	{KeyActorType, activity.FieldActorType, formText, everyKind},
	{KeyOnBehalfOf, activity.FieldOnBehalfOf, formText, everyKind},
	{KeyAuthMethod, activity.FieldAuthMethod, formText, everyKind},
	{KeyAuthVerification, activity.FieldAuthVerified, formText, everyKind},
	{KeyAuthIssuer, activity.FieldAuthIssuer, formText, everyKind},
	{KeyAuthKeyID, activity.FieldAuthKeyID, formText, everyKind},
	{string(semconv.SessionIDKey), activity.FieldSessionKey, formText, everyKind},
	{string(semconv.ClientAddressKey), activity.FieldRemoteIP, formText, everyKind},
	{string(semconv.UserAgentOriginalKey), activity.FieldUserAgent, formText, everyKind},
	{string(semconv.UserAgentNameKey), activity.FieldBrowser, formText, everyKind},
	{string(semconv.BrowserPlatformKey), activity.FieldPlatform, formText, everyKind},
	{string(semconv.UserAgentOSNameKey), activity.FieldOperatingSystem, formText, everyKind},
	{string(semconv.GeoLocationLatKey), activity.FieldLatitude, formDegrees, everyKind},
	{string(semconv.GeoLocationLonKey), activity.FieldLongitude, formDegrees, everyKind},
	{string(semconv.GeoLocalityNameKey), activity.FieldCity, formText, everyKind},
	{KeyCountryName, activity.FieldCountry, formText, everyKind},
	{string(semconv.GeoCountryISOCodeKey), activity.FieldCountryCode, formText, everyKind},
	{string(semconv.GeoRegionISOCodeKey), activity.FieldRegionCode, formText, everyKind},
	{KeyObjectID, activity.FieldObjectID, formText, everyKind},
	{KeyObjectType, activity.FieldContentType, formText, everyKind},
	{KeyObjectRepr, activity.FieldObjectRepr, formText, everyKind},
	{KeyObjectSnapshot, activity.FieldObjectJSONRepr, formText, everyKind},
	{KeyObjectChanges, activity.FieldChangedFields, formText, everyKind},
	{string(semconv.HTTPRequestMethodKey), activity.FieldMethod, formText, everyKind},
	{string(semconv.URLPathKey), activity.FieldURL, formText, everyKind &^ onlyCORS},
	{string(semconv.URLFullKey), activity.FieldURL, formText, onlyCORS},
	{string(semconv.URLQueryKey), activity.FieldQueryString, formText, everyKind},
	{string(semconv.HTTPRouteKey), activity.FieldRoute, formText, everyKind},
	{string(semconv.HTTPResponseStatusCodeKey), activity.FieldResponseStatus, formInt, everyKind},
	{KeyDurationMS, activity.FieldResponseTimeUS, formMillis, everyKind},
	{string(semconv.HTTPRequestBodySizeKey), activity.FieldRequestBodySize, formOpt, everyKind},
	{string(semconv.HTTPResponseBodySizeKey), activity.FieldResponseBodySize, formOpt, everyKind},
	{KeyCORSOrigin, activity.FieldOrigin, formText, everyKind},
	{KeyCORSAllowed, activity.FieldAllowed, formAllowed, everyKind},
	{KeySystemCategory, activity.FieldCategory, formText, everyKind},
	{KeySystemSource, activity.FieldSource, formText, everyKind},
	{string(semconv.ExceptionStacktraceKey), activity.FieldTraceback, formText, everyKind},
	{KeyExtraData, activity.FieldExtraData, formText, everyKind},
	{KeyFlags, activity.FieldFlags, formInt, everyKind},
	{KeyTruncatedFields, activity.FieldTruncatedFields, formWords, everyKind},
	{KeyIntegrityHash, activity.FieldIntegrityHash, formBytes, everyKind},
	{KeyIntegritySalts, activity.FieldIntegritySalts, formBytes, everyKind},
	{KeyIntegrityCommitments, activity.FieldIntegrityCommitments, formBytes, everyKind},
	{KeyIntegritySchemaVersion, activity.FieldSchemaVersion, formInt, everyKind},
}

// rowCount is how many rows the table has.
const rowCount = len(rows)

var byKey = indexRows()

func indexRows() map[string]int {
	m := make(map[string]int, rowCount)
	for i := range rows {
		m[rows[i].key] = i
	}
	return m
}

// cursor finds the rows of one record's attributes. Encode writes them in the
// order of the table, so a row is looked for a little behind the last one before
// the index is asked; that is cheaper than hashing every key.
type cursor int

// lookahead is how many rows a usual event leaves out at most between two that
// it has.
const lookahead = 12

func (c *cursor) find(key string) (i int, ok bool) {
	for i = int(*c); i < min(int(*c)+lookahead, rowCount); i++ {
		if rows[i].key == key {
			*c = cursor(i + 1)
			return i, true
		}
	}
	if i, ok = byKey[key]; ok {
		*c = cursor(i + 1)
	}
	return i, ok
}

var eventNames = [...]string{
	activity.KindCRUD:    activity.KindCRUD.EventName(),
	activity.KindLogin:   activity.KindLogin.EventName(),
	activity.KindRequest: activity.KindRequest.EventName(),
	activity.KindCORS:    activity.KindCORS.EventName(),
	activity.KindSystem:  activity.KindSystem.EventName(),
}

func eventName(k activity.Kind) string {
	if int(k) >= len(eventNames) {
		return ""
	}
	return eventNames[k]
}
