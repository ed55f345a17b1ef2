package activity

import (
	"encoding/hex"
	"fmt"
)

// ID is the 128-bit identity of an event, an RFC 9562 UUID.
type ID [16]byte

// IsZero reports whether no identity was given.
func (id ID) IsZero() bool { return id == ID{} }

// String gives the lower-case dashed form of RFC 9562 section 4.
func (id ID) String() string {
	var b [idText]byte
	return string(id.Append(b[:0]))
}

// idText is the length of the dashed form.
const idText = 36

// Append appends what String gives.
func (id ID) Append(dst []byte) []byte {
	var b [idText]byte
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
	return append(dst, b[:]...)
}

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(b []byte) error {
	parsed, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// ParseID reads a UUID, dashed or as 32 hex digits, in either case.
func ParseID(s string) (ID, error) {
	var id ID
	var digits [32]byte
	switch len(s) {
	case 32:
		copy(digits[:], s)
	case 36:
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return id, fmt.Errorf("%w: %q is not a UUID", ErrInvalid, s)
		}
		copy(digits[0:8], s[0:8])
		copy(digits[8:12], s[9:13])
		copy(digits[12:16], s[14:18])
		copy(digits[16:20], s[19:23])
		copy(digits[20:32], s[24:36])
	default:
		return id, fmt.Errorf("%w: a UUID has 32 or 36 characters, not %d", ErrInvalid, len(s))
	}
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return ID{}, fmt.Errorf("%w: %q is not a UUID", ErrInvalid, s)
	}
	return id, nil
}
