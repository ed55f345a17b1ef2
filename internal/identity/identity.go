// Package identity turns the ids that clients choose into the 128 bits that an
// event is known by. The rules are the same for every way in, so that an event
// sent by HTTP and again by OTLP is one event.
package identity

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Namespace is the UUIDv5 namespace of every derived id: the UUIDv5 of
// "https://github.com/activitylog/otelcol-activitylog/id" in the URL namespace.
// It never changes: a retry after an upgrade is still the same event.
const Namespace = "bd61841c-dd1c-5e08-9b19-39c8c48f4132"

// namespace is Namespace as bytes.
var namespace = uuid.UUID{0xbd, 0x61, 0x84, 0x1c, 0xdd, 0x1c, 0x5e, 0x08, 0x9b, 0x19, 0x39, 0xc8, 0xc4, 0x8f, 0x41, 0x32}

// FromText reads a client's id: a UUID (dashed or 32 hex digits) and a ULID
// keep their 128 bits and are exact; other text becomes its UUIDv5, and the
// caller keeps the original. The zero ID is given for an empty text, a nil UUID
// and a nil ULID: none of them identifies anything.
func FromText(s string) (id activity.ID, exact bool) {
	if s == "" {
		return activity.ID{}, true
	}
	if id, err := activity.ParseID(s); err == nil {
		return id, true
	}
	if id, err := ulid.ParseStrict(s); err == nil {
		return activity.ID(id), true
	}
	return derive(s), false
}

// FromCloudEvent is the id of the CloudEvent that source and id name together.
func FromCloudEvent(source, id string) activity.ID { return derive(source + "\x00" + id) }

// FromKey is the id of the event at index (0-based) of a request that carries
// an idempotency key.
func FromKey(key string, index int) activity.ID {
	return derive(key + "\x00" + strconv.Itoa(index))
}

// Time gives the time inside a client's id: UUIDv7 and ULID have one, in
// milliseconds.
func Time(s string) (time.Time, bool) {
	if id, err := ulid.ParseStrict(s); err == nil {
		return ulid.Time(id.Time()).UTC(), true
	}
	id, err := activity.ParseID(s)
	if err != nil {
		return time.Time{}, false
	}
	return TimeOf(id)
}

// TimeOf gives the time inside a UUIDv7, in milliseconds.
func TimeOf(id activity.ID) (time.Time, bool) {
	if id[6]>>4 != 7 || id[8]>>6 != 2 {
		return time.Time{}, false
	}
	ms := binary.BigEndian.Uint64(id[:8]) >> 16
	return time.UnixMilli(int64(ms)).UTC(), true
}

// FromSpan is the id of the request that a span stands for. Trace and span id
// tell one request of one service; the three attributes by which OpenTelemetry
// identifies a running service (service.namespace, service.name,
// service.instance.id) keep services apart that give out the same ids.
func FromSpan(trace [16]byte, span [8]byte, serviceNamespace, service, instance string) activity.ID {
	b := make([]byte, 0, 128)
	b = append(b, "span\x00"...)
	b = hex.AppendEncode(b, trace[:])
	b = append(b, 0)
	b = hex.AppendEncode(b, span[:])
	for _, text := range [...]string{serviceNamespace, service, instance} {
		b = append(b, 0)
		b = append(b, text...)
	}
	return activity.ID(uuid.NewSHA1(namespace, b))
}

func derive(name string) activity.ID {
	return activity.ID(uuid.NewSHA1(namespace, []byte(name)))
}

// CORSNamespace is the UUIDv5 namespace of the cors events that are made of
// requests: the UUIDv5 of "https://github.com/activitylog/otelcol-activitylog/id/cors"
// in the URL namespace. It is another one than Namespace, so that no text a client
// chooses gives such an id.
const CORSNamespace = "f138f6a3-1aad-54a7-b6e0-d7172d1e9db9"

// corsNamespace is CORSNamespace as bytes.
var corsNamespace = uuid.UUID{0xf1, 0x38, 0xf6, 0xa3, 0x1a, 0xad, 0x54, 0xa7, 0xb6, 0xe0, 0xd7, 0x17, 0x2d, 0x1e, 0x9d, 0xb9}

// CORS is the id of the cors event made of a request: the UUIDv5 of its id,
// dashed and in lower case.
func CORS(request activity.ID) activity.ID {
	var buf [36]byte
	return activity.ID(uuid.NewSHA1(corsNamespace, request.Append(buf[:0])))
}
