package activitylogs

import semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

// Attributes without a semantic convention.
const (
	KeyTenantID         = "activity.tenant.id"
	KeyProducerSeq      = "activity.producer.seq"
	KeyAction           = "activity.action"
	KeyOutcome          = "activity.outcome"
	KeyReason           = "activity.reason"
	KeyActorType        = "activity.actor.type"
	KeyOnBehalfOf       = "activity.actor.on_behalf_of"
	KeyAuthMethod       = "activity.auth.method"
	KeyAuthVerification = "activity.auth.verification"
	KeyAuthIssuer       = "activity.auth.issuer"
	KeyAuthKeyID        = "activity.auth.key_id"
	KeyCountryName      = "activity.geo.country.name"
	KeyObjectID         = "activity.object.id"
	KeyObjectType       = "activity.object.type"
	KeyObjectRepr       = "activity.object.repr"
	KeyObjectSnapshot   = "activity.object.snapshot"
	KeyObjectChanges    = "activity.object.changes"
	KeyExtraData        = "activity.extra_data"
	KeyFlags            = "activity.flags"
	KeyTruncatedFields  = "activity.truncated_fields"
	KeyCRUDType         = "activity.crud.type"
	KeyLoginType        = "activity.login.type"
	KeyDurationMS       = "activity.http.duration_ms"
	KeyCORSOrigin       = "activity.cors.origin"
	KeyCORSAllowed      = "activity.cors.allowed"
	KeySystemName       = "activity.system.name"
	KeySystemCategory   = "activity.system.category"
	KeySystemSource     = "activity.system.source"

	KeyIntegrityHash          = "activity.integrity.hash"
	KeyIntegritySalts         = "activity.integrity.salts"
	KeyIntegrityCommitments   = "activity.integrity.commitments"
	KeyIntegritySchemaVersion = "activity.integrity.schema_version"
)

// Client-only inputs: consumed by the enrich processor, never part of an event.
const (
	KeyHeaderPrefix = "http.request.header."
	KeyPeerAddress  = string(semconv.NetworkPeerAddressKey)
	KeyObjectBefore = "activity.object.before"
	KeyObjectAfter  = "activity.object.after"
)

// Resource attributes that are fields of an event.
const (
	KeyService  = string(semconv.ServiceNameKey)
	KeyProducer = string(semconv.ServiceInstanceIDKey)
)
