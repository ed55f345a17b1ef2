package activity

// Field names one column of an event. Its number is not stored anywhere.
type Field uint8

// The fields, in column order.
const (
	FieldID Field = iota + 1
	FieldKind
	FieldType
	FieldDatetime
	FieldReceivedAt
	FieldStoredNS
	FieldTenantID
	FieldService
	FieldProducer
	FieldProducerSeq
	FieldTraceID
	FieldSpanID
	FieldAction
	FieldOutcome
	FieldReason
	FieldSeverityNumber
	FieldUserID
	FieldUsername
	FieldUserEmail
	FieldUserRoles
	FieldActorType
	FieldOnBehalfOf
	FieldAuthMethod
	FieldAuthVerified
	FieldAuthIssuer
	FieldAuthKeyID
	FieldSessionKey
	FieldRemoteIP
	FieldUserAgent
	FieldBrowser
	FieldPlatform
	FieldOperatingSystem
	FieldLatitude
	FieldLongitude
	FieldCity
	FieldCountry
	FieldCountryCode
	FieldRegionCode
	FieldObjectID
	FieldContentType
	FieldObjectRepr
	FieldObjectJSONRepr
	FieldChangedFields
	FieldExtraData
	FieldMethod
	FieldURL
	FieldQueryString
	FieldRoute
	FieldResponseStatus
	FieldResponseTimeUS
	FieldRequestBodySize
	FieldResponseBodySize
	FieldOrigin
	FieldAllowed
	FieldCategory
	FieldSource
	FieldMessage
	FieldTraceback
	FieldFlags
	FieldTruncatedFields
	FieldSchemaVersion
	FieldIntegrityHash
	FieldIntegritySalts
	FieldIntegrityCommitments
	fieldEnd
)

// Type says how a field is held in an Event and which accessor reaches it.
type Type uint8

// The field types.
const (
	TypeText  Type = iota + 1 // Event.Text
	TypeJSON                  // Event.Text; the text is one JSON value
	TypeInt                   // Event.Int; 0 is "not known"
	TypeOpt                   // Event.Opt; 0 is a value
	TypeTime                  // Event.Int; Unix nanoseconds
	TypeBytes                 // Event.Bytes
	TypeKind                  // Event.Kind, a word in columns
)

// Group says which map of the canonical encoding holds a field.
type Group uint8

// The groups.
const (
	GroupNone     Group = iota // not hashed
	GroupEvent                 // the event map
	GroupPersonal              // commitment 1: erased with a person
	GroupContent               // commitment 2: erased with an object's content
)

// FieldInfo describes a field once, for every package.
type FieldInfo struct {
	Field Field
	Name  string // JSON and column name
	Type  Type
	Group Group
	Key   uint64 // key in the group's canonical map
	Bias  int64  // added before encoding where zero is a value
	Limit int    // bytes, 0 = not limited (see Limits)
	Ours  bool   // removed on arrival unless the sender is trusted
}

// Biases of docs/design: they make 0 encodable under the zero rule.
const (
	biasOne       = 1
	biasLatitude  = 900_000_001
	biasLongitude = 1_800_000_001
)

// Limits of text in bytes. The content limits are configurable.
const (
	limitURL     = 2048
	limitQuery   = 4096
	limitLong    = 512
	limitName    = 255
	limitContent = 65535
)

var fields = numbered([fieldEnd]FieldInfo{
	FieldID:                   {Name: "id", Type: TypeBytes, Group: GroupEvent, Key: 2},
	FieldKind:                 {Name: "kind", Type: TypeKind, Group: GroupEvent, Key: 3},
	FieldType:                 {Name: "type", Type: TypeText, Group: GroupEvent, Key: 7, Limit: limitName},
	FieldDatetime:             {Name: "datetime_ns", Type: TypeTime, Group: GroupEvent, Key: 4},
	FieldReceivedAt:           {Name: "received_ns", Type: TypeTime, Group: GroupEvent, Key: 5, Ours: true},
	FieldStoredNS:             {Name: "stored_ns", Type: TypeTime, Ours: true},
	FieldTenantID:             {Name: "tenant_id", Type: TypeText, Group: GroupEvent, Key: 6, Limit: limitName},
	FieldService:              {Name: "service", Type: TypeText, Group: GroupEvent, Key: 10, Limit: limitName},
	FieldProducer:             {Name: "producer", Type: TypeText, Group: GroupEvent, Key: 21, Limit: limitName},
	FieldProducerSeq:          {Name: "producer_seq", Type: TypeInt, Group: GroupEvent, Key: 22},
	FieldTraceID:              {Name: "trace_id", Type: TypeBytes, Group: GroupEvent, Key: 19},
	FieldSpanID:               {Name: "span_id", Type: TypeBytes, Group: GroupEvent, Key: 20},
	FieldAction:               {Name: "action", Type: TypeText, Group: GroupEvent, Key: 12, Limit: limitName},
	FieldOutcome:              {Name: "outcome", Type: TypeText, Group: GroupEvent, Key: 35, Limit: limitName},
	FieldReason:               {Name: "reason", Type: TypeText, Group: GroupContent, Key: 7, Limit: limitLong},
	FieldSeverityNumber:       {Name: "severity_number", Type: TypeInt, Group: GroupEvent, Key: 9},
	FieldUserID:               {Name: "user_id", Type: TypeText, Group: GroupPersonal, Key: 1, Limit: limitName},
	FieldUsername:             {Name: "username", Type: TypeText, Group: GroupPersonal, Key: 2, Limit: limitName},
	FieldUserEmail:            {Name: "user_email", Type: TypeText, Group: GroupPersonal, Key: 3, Limit: limitName},
	FieldUserRoles:            {Name: "user_roles", Type: TypeJSON, Group: GroupPersonal, Key: 20, Limit: limitContent},
	FieldActorType:            {Name: "actor_type", Type: TypeText, Group: GroupEvent, Key: 23, Limit: limitName},
	FieldOnBehalfOf:           {Name: "on_behalf_of", Type: TypeText, Group: GroupPersonal, Key: 18, Limit: limitName},
	FieldAuthMethod:           {Name: "auth_method", Type: TypeText, Group: GroupEvent, Key: 24, Limit: limitName},
	FieldAuthVerified:         {Name: "auth_verified", Type: TypeText, Group: GroupEvent, Key: 26, Limit: limitName, Ours: true},
	FieldAuthIssuer:           {Name: "auth_issuer", Type: TypeText, Group: GroupEvent, Key: 27, Limit: limitName, Ours: true},
	FieldAuthKeyID:            {Name: "auth_key_id", Type: TypeText, Group: GroupEvent, Key: 28, Limit: limitName, Ours: true},
	FieldSessionKey:           {Name: "session_key", Type: TypeText, Group: GroupPersonal, Key: 4, Limit: limitName},
	FieldRemoteIP:             {Name: "remote_ip", Type: TypeText, Group: GroupPersonal, Key: 5, Limit: limitName},
	FieldUserAgent:            {Name: "user_agent", Type: TypeText, Group: GroupPersonal, Key: 6, Limit: limitURL},
	FieldBrowser:              {Name: "browser", Type: TypeText, Group: GroupPersonal, Key: 7, Limit: limitName},
	FieldPlatform:             {Name: "platform", Type: TypeText, Group: GroupPersonal, Key: 8, Limit: limitName},
	FieldOperatingSystem:      {Name: "operating_system", Type: TypeText, Group: GroupPersonal, Key: 9, Limit: limitName},
	FieldLatitude:             {Name: "latitude_e7", Type: TypeOpt, Group: GroupPersonal, Key: 14, Bias: biasLatitude},
	FieldLongitude:            {Name: "longitude_e7", Type: TypeOpt, Group: GroupPersonal, Key: 15, Bias: biasLongitude},
	FieldCity:                 {Name: "city", Type: TypeText, Group: GroupPersonal, Key: 13, Limit: limitName},
	FieldCountry:              {Name: "country", Type: TypeText, Group: GroupPersonal, Key: 11, Limit: limitName},
	FieldCountryCode:          {Name: "country_code", Type: TypeText, Group: GroupPersonal, Key: 10, Limit: limitName},
	FieldRegionCode:           {Name: "region_code", Type: TypeText, Group: GroupPersonal, Key: 12, Limit: limitName},
	FieldObjectID:             {Name: "object_id", Type: TypeText, Group: GroupPersonal, Key: 19, Limit: limitName},
	FieldContentType:          {Name: "content_type", Type: TypeText, Group: GroupEvent, Key: 11, Limit: limitName},
	FieldObjectRepr:           {Name: "object_repr", Type: TypeText, Group: GroupContent, Key: 1, Limit: limitLong},
	FieldObjectJSONRepr:       {Name: "object_json_repr", Type: TypeJSON, Group: GroupContent, Key: 2, Limit: limitContent},
	FieldChangedFields:        {Name: "changed_fields", Type: TypeJSON, Group: GroupContent, Key: 3, Limit: limitContent},
	FieldExtraData:            {Name: "extra_data", Type: TypeJSON, Group: GroupContent, Key: 4, Limit: limitContent},
	FieldMethod:               {Name: "method", Type: TypeText, Group: GroupEvent, Key: 13, Limit: limitName},
	FieldURL:                  {Name: "url", Type: TypeText, Group: GroupPersonal, Key: 16, Limit: limitURL},
	FieldQueryString:          {Name: "query_string", Type: TypeText, Group: GroupPersonal, Key: 17, Limit: limitQuery},
	FieldRoute:                {Name: "route", Type: TypeText, Group: GroupEvent, Key: 14, Limit: limitName},
	FieldResponseStatus:       {Name: "response_status", Type: TypeInt, Group: GroupEvent, Key: 15},
	FieldResponseTimeUS:       {Name: "response_time_us", Type: TypeOpt, Group: GroupEvent, Key: 16, Bias: biasOne},
	FieldRequestBodySize:      {Name: "request_body_size", Type: TypeOpt, Group: GroupEvent, Key: 17, Bias: biasOne},
	FieldResponseBodySize:     {Name: "response_body_size", Type: TypeOpt, Group: GroupEvent, Key: 18, Bias: biasOne},
	FieldOrigin:               {Name: "origin", Type: TypeText, Group: GroupEvent, Key: 31, Limit: limitLong},
	FieldAllowed:              {Name: "allowed", Type: TypeInt, Group: GroupEvent, Key: 8},
	FieldCategory:             {Name: "category", Type: TypeText, Group: GroupEvent, Key: 29, Limit: limitName},
	FieldSource:               {Name: "source", Type: TypeText, Group: GroupEvent, Key: 30, Limit: limitLong},
	FieldMessage:              {Name: "message", Type: TypeText, Group: GroupContent, Key: 5, Limit: limitContent},
	FieldTraceback:            {Name: "traceback", Type: TypeText, Group: GroupContent, Key: 6, Limit: limitContent},
	FieldFlags:                {Name: "flags", Type: TypeInt, Group: GroupEvent, Key: 25, Ours: true},
	FieldTruncatedFields:      {Name: "truncated_fields", Type: TypeText, Group: GroupEvent, Key: 32, Ours: true},
	FieldSchemaVersion:        {Name: "schema_version", Type: TypeInt, Group: GroupEvent, Key: 1, Ours: true},
	FieldIntegrityHash:        {Name: "integrity_hash", Type: TypeBytes, Ours: true},
	FieldIntegritySalts:       {Name: "integrity_salts", Type: TypeBytes, Ours: true},
	FieldIntegrityCommitments: {Name: "integrity_commitments", Type: TypeBytes, Ours: true},
})

var (
	allFields  = selectFields(func(*FieldInfo) bool { return true })
	textFields = selectFields(func(i *FieldInfo) bool { return i.Type == TypeText || i.Type == TypeJSON })
	byName     = namedFields()
)

func numbered(table [fieldEnd]FieldInfo) [fieldEnd]FieldInfo {
	for f := range table {
		table[f].Field = Field(f)
	}
	return table
}

func selectFields(want func(*FieldInfo) bool) []Field {
	var out []Field
	for f := FieldID; f < fieldEnd; f++ {
		if want(&fields[f]) {
			out = append(out, f)
		}
	}
	return out
}

func namedFields() map[string]Field {
	m := make(map[string]Field, len(fields))
	for f := FieldID; f < fieldEnd; f++ {
		m[fields[f].Name] = f
	}
	return m
}

// Fields lists every field in column order. The caller must not change it.
func Fields() []Field { return allFields }

// TextFields lists the fields that Event.Text reaches. The caller must not change it.
func TextFields() []Field { return textFields }

// FieldByName finds a field by its column name.
func FieldByName(name string) (Field, bool) {
	f, ok := byName[name]
	return f, ok
}

// Info gives the field's description.
func (f Field) Info() *FieldInfo { return &fields[f] }

// String is the column name.
func (f Field) String() string {
	if f == 0 || f >= fieldEnd {
		return ""
	}
	return fields[f].Name
}
