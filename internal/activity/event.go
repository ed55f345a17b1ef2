package activity

// Event is one activity event: who did what, when, from where, with what
// result. Zero values mean "not known"; fields where zero is a value are Opt.
type Event struct {
	ID   ID
	Kind Kind

	// Type is event_type of a crud, login_type of a login and event_name of a
	// system event; empty for the other kinds.
	Type string

	// Datetime is the time of occurrence, ReceivedAt our clock on arrival and
	// StoredNS our clock at commit: Unix nanoseconds, UTC.
	Datetime   int64
	ReceivedAt int64
	StoredNS   int64

	// TenantID "" is the default tenant. It never means "all".
	TenantID    string
	Service     string
	Producer    string
	ProducerSeq int64
	TraceID     [16]byte
	SpanID      [8]byte

	Action         string
	Outcome        string
	Reason         string
	SeverityNumber int64 // 1..24

	UserID       string
	Username     string
	UserEmail    string
	UserRoles    string // JSON list
	ActorType    string
	OnBehalfOf   string
	AuthMethod   string
	AuthVerified string
	AuthIssuer   string
	AuthKeyID    string
	SessionKey   string

	RemoteIP        string
	UserAgent       string
	Browser         string
	Platform        string
	OperatingSystem string
	Latitude        OptInt64 // degrees x 1e7
	Longitude       OptInt64 // degrees x 1e7
	City            string
	Country         string
	CountryCode     string
	RegionCode      string

	ObjectID       string
	ContentType    string
	ObjectRepr     string
	ObjectJSONRepr string // JSON
	ChangedFields  string // JSON
	ExtraData      string // JSON

	Method           string
	URL              string
	QueryString      string
	Route            string
	ResponseStatus   int64
	ResponseTimeUS   OptInt64 // microseconds
	RequestBodySize  OptInt64 // bytes
	ResponseBodySize OptInt64 // bytes
	Origin           string
	Allowed          Allowed

	Category  string
	Source    string
	Message   string
	Traceback string

	Flags           Flags
	TruncatedFields string // sorted, comma-joined column names

	// The seal. Slices as read, so that a wrong length is seen as tampering.
	SchemaVersion        int64
	IntegrityHash        []byte // 32 bytes: SHA-256 of the canonical bytes
	IntegritySalts       []byte // 32 bytes: personal salt, content salt
	IntegrityCommitments []byte // 64 bytes: personal, content; zero where the group is empty
}

// OptInt64 is an integer for which zero is a value.
type OptInt64 struct {
	Value int64
	Valid bool
}

// Some is a present value.
func Some(v int64) OptInt64 { return OptInt64{Value: v, Valid: true} }

// Allowed is the CORS answer; the zero value is unknown.
type Allowed int64

// The values of Allowed, as hashed.
const (
	AllowedUnknown Allowed = iota
	AllowedYes
	AllowedNo
)

// Flags are what the collector had to say about the event.
type Flags int64

// The flags.
const (
	FlagTruncated         Flags = 1 << iota // a field was cut; see TruncatedFields
	FlagDatetimeCorrected                   // datetime was out of range and replaced
	FlagActorConflict                       // the token and the client named different users
	FlagClockSkew                           // the client's clock is visibly off
)

// Key is the idempotency key: the only one every store can enforce over time
// partitions.
type Key struct {
	TenantID string
	ID       ID
	Datetime int64
}

// Key gives the event's idempotency key.
func (e *Event) Key() Key { return Key{TenantID: e.TenantID, ID: e.ID, Datetime: e.Datetime} }

// Sealed reports whether the event carries a hash.
func (e *Event) Sealed() bool { return len(e.IntegrityHash) > 0 }

// Size estimates the bytes the event holds in memory, for bounding queues.
func (e *Event) Size() int {
	n := 512
	for _, f := range textFields {
		n += len(*e.Text(f))
	}
	return n
}
