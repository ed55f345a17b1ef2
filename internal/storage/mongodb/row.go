package mongodb

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// keySize is the length of an _id: the idempotency key in the order of lists.
//
//	datetime  8 bytes, big-endian, sign bit flipped so that bytes order as numbers do
//	id       16 bytes
//	tenant   16 bytes, the first of the SHA-256 of the tenant's id
//
// One length for every tenant, because MongoDB orders binary values by their
// length first.
const (
	keySize   = placeSize + 16
	placeSize = 8 + 16 // of datetime and id
)

func appendPlace(b []byte, datetime int64, id activity.ID) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(datetime)^1<<63) //nolint:gosec // the bits are meant
	return append(b, id[:]...)
}

func keyOf(k *activity.Key) [keySize]byte {
	var key [keySize]byte
	b := appendPlace(key[:0], k.Datetime, k.ID)
	tenant := sha256.Sum256([]byte(k.TenantID))
	copy(key[len(b):], tenant[:])
	return key
}

// positionOf gives the position that an _id, and the response time in an order
// over it, stand for.
func positionOf(key string, value int64) activity.Position {
	p := activity.Position{Value: value}
	if len(key) < placeSize {
		return p
	}
	p.Datetime = int64(binary.BigEndian.Uint64([]byte(key)) ^ 1<<63) //nolint:gosec // the bits are meant
	copy(p.ID[:], key[8:])
	return p
}

// Type bytes and binary subtypes (BSON specification 1.1).
const (
	typeString   = 0x02
	typeBinary   = 0x05
	typeDate     = 0x09
	typeInt64    = 0x12
	subtypePlain = 0x00
	subtypeUUID  = 0x04
)

// maxDocument is the largest document that MongoDB stores.
const maxDocument = 16 << 20

// dateField is the native time that a TTL index needs; written only with one.
const dateField = "datetime"

var (
	errTooLarge = fmt.Errorf("%w: the document is above %d bytes", storage.ErrContent, maxDocument)
	errNotUTF8  = errors.New("the text is not valid UTF-8")
)

// appendDocument appends the document of an event: what is not known has no
// field, so that zero-length text is never stored.
func appendDocument(b []byte, key *[keySize]byte, e *activity.Event, stored int64, date bool) ([]byte, error) {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = appendBinary(b, "_id", subtypePlain, key[:])
	for _, f := range activity.Fields() {
		var err error
		if f == activity.FieldStoredNS {
			b = appendInt64(b, f.String(), typeInt64, stored)
		} else if b, err = appendField(b, e, f); err != nil {
			return b[:start], fmt.Errorf("%w: %s: %w", storage.ErrContent, f, err)
		}
	}
	if date {
		b = appendInt64(b, dateField, typeDate, e.Datetime/1_000_000)
	}
	b = append(b, 0)
	if len(b)-start > maxDocument {
		return b[:start], errTooLarge
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start)) //nolint:gosec // at most maxDocument
	return b, nil
}

func appendField(b []byte, e *activity.Event, f activity.Field) ([]byte, error) {
	name := f.String()
	switch f.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		s := *e.Text(f)
		if s == "" && f != activity.FieldTenantID {
			return b, nil
		}
		if !utf8.ValidString(s) {
			return b, errNotUTF8
		}
		if len(s) > maxDocument {
			return b, errTooLarge
		}
		return appendString(b, name, s), nil
	case activity.TypeInt:
		if n := *e.Int(f); n != 0 {
			b = appendInt64(b, name, typeInt64, n)
		}
	case activity.TypeTime:
		b = appendInt64(b, name, typeInt64, *e.Int(f))
	case activity.TypeOpt:
		if o := e.Opt(f); o.Valid {
			b = appendInt64(b, name, typeInt64, o.Value)
		}
	case activity.TypeBytes:
		if v := e.Bytes(f); len(v) > 0 {
			b = appendBinary(b, name, subtypeOf(f), v)
		}
	case activity.TypeKind:
		b = appendString(b, name, e.Kind.String())
	}
	return b, nil
}

func subtypeOf(f activity.Field) byte {
	if f == activity.FieldID {
		return subtypeUUID
	}
	return subtypePlain
}

func appendName(b []byte, kind byte, name string) []byte {
	b = append(b, kind)
	b = append(b, name...)
	return append(b, 0)
}

func appendString(b []byte, name, s string) []byte {
	b = appendName(b, typeString, name)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)+1)) //nolint:gosec // at most maxDocument
	b = append(b, s...)
	return append(b, 0)
}

func appendInt64(b []byte, name string, kind byte, n int64) []byte {
	return binary.LittleEndian.AppendUint64(appendName(b, kind, name), uint64(n)) //nolint:gosec // the bits are meant
}

func appendBinary(b []byte, name string, subtype byte, v []byte) []byte {
	b = appendName(b, typeBinary, name)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v))) //nolint:gosec // at most maxDocument
	return append(append(b, subtype), v...)
}

// readDocument fills a record from a document. A field whose value is not of
// its type, and an _id that does not come from the fields it derives from, was
// changed by somebody and is named.
func readDocument(doc bson.Raw, r *storage.Record) (key string, err error) {
	elements, err := doc.Elements()
	if err != nil {
		return "", fmt.Errorf("read a document: %w", err)
	}
	for _, el := range elements {
		name, v := el.Key(), el.Value()
		if name == "_id" {
			key = binaryOf(v)
			continue
		}
		f, known := activity.FieldByName(name)
		if known && !setField(&r.Event, f, v) {
			r.Derived = append(r.Derived, name)
		}
	}
	own := r.Key()
	if want := keyOf(&own); key != string(want[:]) {
		r.Derived = append(r.Derived, "_id")
	}
	return key, nil
}

// binaryOf gives a plain binary value, "" for anything else.
func binaryOf(v bson.RawValue) string {
	subtype, data, ok := v.BinaryOK()
	if !ok || subtype != subtypePlain {
		return ""
	}
	return string(data)
}

func setField(e *activity.Event, f activity.Field, v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeString:
		s, ok := v.StringValueOK()
		return ok && setText(e, f, s)
	case bson.TypeInt64:
		n, ok := v.Int64OK()
		if !ok {
			return false
		}
		if p := e.Int(f); p != nil {
			*p = n
			return n != 0 || f.Info().Type == activity.TypeTime
		}
		if p := e.Opt(f); p != nil {
			*p = activity.Some(n)
			return true
		}
	case bson.TypeBinary:
		subtype, data, ok := v.BinaryOK()
		return ok && f.Info().Type == activity.TypeBytes && subtype == subtypeOf(f) && len(data) > 0 && e.SetBytes(f, data)
	}
	return false
}

func setText(e *activity.Event, f activity.Field, s string) bool {
	s = strings.Clone(s) // the reply is let go
	if f == activity.FieldKind {
		k, ok := activity.ParseKind(s)
		e.Kind = k
		return ok && s == k.String()
	}
	p := e.Text(f)
	if p == nil {
		return false
	}
	*p = s
	return s != "" || f == activity.FieldTenantID
}

// The least and the greatest _id of a place, for bounds that leave the tenant
// open.
func firstKey(datetime int64, id activity.ID) string {
	return string(append(appendPlace(make([]byte, 0, keySize), datetime, id), make([]byte, keySize-placeSize)...))
}

func lastKey(datetime int64, id activity.ID) string {
	return string(append(appendPlace(make([]byte, 0, keySize), datetime, id), slices.Repeat([]byte{math.MaxUint8}, keySize-placeSize)...))
}

var lastID = activity.ID(slices.Repeat([]byte{math.MaxUint8}, len(activity.ID{})))
