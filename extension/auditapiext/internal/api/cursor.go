package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// A cursor is a version, a direction, the fingerprint of its query, and a
// position; base64url without padding.
const (
	cursorVersion     = 1
	fingerprintSize   = 16
	cursorSize        = 2 + fingerprintSize + 8 + 8 + 16
	cursorForward     = 0
	cursorBackward    = 1
	cursorDirectionAt = 1
)

type fingerprint [fingerprintSize]byte

// fingerprintOf binds a cursor to the endpoint, filters and order it was made
// for; paging parameters do not count.
func fingerprintOf(endpoint string, params url.Values) fingerprint {
	names := make([]string, 0, len(params))
	for name := range params {
		if !slices.Contains(pagingParams, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	text := fmt.Appendf(nil, "%q", endpoint)
	for _, name := range names {
		text = fmt.Appendf(text, "%q=%q", name, params[name])
	}
	sum := sha256.Sum256(text)
	return fingerprint(sum[:fingerprintSize])
}

func encodeCursor(f fingerprint, p activity.Position, backward bool) string {
	b := make([]byte, 0, cursorSize)
	direction := byte(cursorForward)
	if backward {
		direction = cursorBackward
	}
	b = append(b, cursorVersion, direction)
	b = append(b, f[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Value))    //nolint:gosec // bits, not a number
	b = binary.BigEndian.AppendUint64(b, uint64(p.Datetime)) //nolint:gosec // bits, not a number
	b = append(b, p.ID[:]...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(s string, want fingerprint) (p activity.Position, backward bool, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(s) != base64.RawURLEncoding.EncodedLen(cursorSize) || b[0] != cursorVersion || b[cursorDirectionAt] > cursorBackward {
		return p, false, fmt.Errorf("%w: cursor is not one this API gave", activity.ErrInvalid)
	}
	if fingerprint(b[2:2+fingerprintSize]) != want {
		return p, false, fmt.Errorf("%w: cursor belongs to another query; repeat the filters and the ordering it was given for", activity.ErrInvalid)
	}
	rest := b[2+fingerprintSize:]
	p.Value = int64(binary.BigEndian.Uint64(rest))        //nolint:gosec // bits, not a number
	p.Datetime = int64(binary.BigEndian.Uint64(rest[8:])) //nolint:gosec // bits, not a number
	copy(p.ID[:], rest[16:])
	if p.IsZero() {
		return p, false, fmt.Errorf("%w: cursor is not one this API gave", activity.ErrInvalid)
	}
	return p, b[cursorDirectionAt] == cursorBackward, nil
}

// pagingParams choose a page of a query and are no part of the query itself.
var pagingParams = []string{"page", "page_size", "cursor"}
