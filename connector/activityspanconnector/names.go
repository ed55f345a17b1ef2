package activityspanconnector

import (
	oldest "go.opentelemetry.io/otel/semconv/v1.12.0"
	older "go.opentelemetry.io/otel/semconv/v1.17.0"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// slot is one thing that a span may say of its request.
type slot uint8

// The slots that are attributes of the record, in the order in which a record of
// activitylogs has them, which makes it cheap to read.
const (
	slotTenant slot = iota + 1
	slotAction
	slotOutcome
	slotReason
	slotUserID
	slotUsername
	slotUserEmail
	slotUserRoles
	slotActorType
	slotOnBehalfOf
	slotAuthMethod
	slotSession
	slotClient
	slotUserAgent
	slotObjectID
	slotObjectType
	slotObjectRepr
	slotMethod
	slotPath
	slotQuery
	slotRoute
	slotStatus
	slotDuration
	slotRequestSize
	slotResponseSize
	slotPeer
	// What only the mapping reads.
	slotMethodOriginal
	slotTarget // path and query
	slotURL    // absolute
	slotScheme
	slotErrorType
	slotCount
)

// lastAttribute is the last slot that is an attribute of the record.
const lastAttribute = slotPeer

// keys of the slots in the record.
var keys = [slotCount]string{
	slotTenant:       activitylogs.KeyTenantID,
	slotAction:       activitylogs.KeyAction,
	slotOutcome:      activitylogs.KeyOutcome,
	slotReason:       activitylogs.KeyReason,
	slotUserID:       string(semconv.UserIDKey),
	slotUsername:     string(semconv.UserNameKey),
	slotUserEmail:    string(semconv.UserEmailKey),
	slotUserRoles:    string(semconv.UserRolesKey),
	slotActorType:    activitylogs.KeyActorType,
	slotOnBehalfOf:   activitylogs.KeyOnBehalfOf,
	slotAuthMethod:   activitylogs.KeyAuthMethod,
	slotSession:      string(semconv.SessionIDKey),
	slotClient:       string(semconv.ClientAddressKey),
	slotUserAgent:    string(semconv.UserAgentOriginalKey),
	slotObjectID:     activitylogs.KeyObjectID,
	slotObjectType:   activitylogs.KeyObjectType,
	slotObjectRepr:   activitylogs.KeyObjectRepr,
	slotMethod:       string(semconv.HTTPRequestMethodKey),
	slotPath:         string(semconv.URLPathKey),
	slotQuery:        string(semconv.URLQueryKey),
	slotRoute:        string(semconv.HTTPRouteKey),
	slotStatus:       string(semconv.HTTPResponseStatusCodeKey),
	slotDuration:     activitylogs.KeyDurationMS,
	slotRequestSize:  string(semconv.HTTPRequestBodySizeKey),
	slotResponseSize: string(semconv.HTTPResponseBodySizeKey),
	slotPeer:         activitylogs.KeyPeerAddress,
}

// source says which slot a span attribute fills. Of two that fill the same one
// that with the lower rank counts: the stable name before older ones, which an
// SDK in transition sends beside it.
type source struct {
	slot slot
	rank uint8
}

// sources of the slots: the names that a slot has in the record (rank 0) and
// those below.
var sources = withKeys(map[string]source{
	string(semconv.HTTPRequestMethodOriginalKey): {slotMethodOriginal, 0},
	string(semconv.URLFullKey):                   {slotURL, 0},
	string(semconv.URLSchemeKey):                 {slotScheme, 0},
	string(semconv.ErrorTypeKey):                 {slotErrorType, 0},
	string(semconv.EnduserIDKey):                 {slotUserID, 1},
	// Before the stable HTTP conventions (1.23).
	string(older.HTTPMethodKey):                {slotMethod, 1},
	string(older.HTTPTargetKey):                {slotTarget, 0},
	string(older.HTTPURLKey):                   {slotURL, 1},
	string(older.HTTPSchemeKey):                {slotScheme, 1},
	string(older.HTTPStatusCodeKey):            {slotStatus, 1},
	string(older.HTTPRequestContentLengthKey):  {slotRequestSize, 1},
	string(older.HTTPResponseContentLengthKey): {slotResponseSize, 1},
	string(older.HTTPUserAgentKey):             {slotUserAgent, 1},
	string(older.HTTPClientIPKey):              {slotClient, 1},
	string(older.NetSockPeerAddrKey):           {slotPeer, 1},
	string(oldest.NetPeerIPKey):                {slotPeer, 2},
})

// withKeys adds what a span says by the name that the record has for it. Its
// duration is no attribute: a span has two times.
func withKeys(m map[string]source) map[string]source {
	for s := slotTenant; s <= lastAttribute; s++ {
		if s != slotDuration {
			m[keys[s]] = source{slot: s}
		}
	}
	return m
}

// responseHeaderPrefix is of http.response.header.<key>: never taken, it may be
// a Set-Cookie.
const responseHeaderPrefix = "http.response.header."
