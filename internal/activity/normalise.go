package activity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxEventBytes bounds one event as received; a larger one is refused.
const MaxEventBytes = 1 << 20

// MaxJSONDepth bounds the nesting of JSON from outside.
const MaxJSONDepth = 64

// Limits are the configurable limits, in bytes, of the large texts.
type Limits struct {
	Message   int
	Traceback int
	Snapshot  int // object_json_repr
	Changes   int // changed_fields
	ExtraData int
}

// DefaultLimits are 65,535 bytes each.
func DefaultLimits() Limits {
	return Limits{
		Message: limitContent, Traceback: limitContent, Snapshot: limitContent,
		Changes: limitContent, ExtraData: limitContent,
	}
}

func (l *Limits) of(f Field) int {
	switch f {
	case FieldMessage:
		return l.Message
	case FieldTraceback:
		return l.Traceback
	case FieldObjectJSONRepr:
		return l.Snapshot
	case FieldChangedFields:
		return l.Changes
	case FieldExtraData:
		return l.ExtraData
	}
	return fields[f].Limit
}

// Largest magnitudes that the canonical encoding and REST can carry.
const (
	maxOpt       = 1 << 53
	maxLatitude  = 90 * 10_000_000
	maxLongitude = 180 * 10_000_000
)

// Normalise brings the event to the form that is hashed and stored: valid
// UTF-8 without U+0000, within the limits, numbers in range. What was cut is
// named in TruncatedFields and flagged. It is idempotent and gives the number
// of fields it cut now.
func Normalise(e *Event, l *Limits) (cut int) {
	for _, f := range textFields {
		s := e.Text(f)
		if *s == "" {
			continue
		}
		*s = CleanText(*s)
		if f == FieldTruncatedFields {
			continue // ours; bounded by the number of columns
		}
		limit := l.of(f)
		if fields[f].Type == TypeJSON {
			if !ValidJSON(*s) {
				*s = quoteJSON(*s)
			}
			if limit > 0 && len(*s) > limit {
				*s = cutJSON(*s)
				e.markTruncated(f)
				cut++
			}
			continue
		}
		if limit > 0 && len(*s) > limit {
			*s = CutText(*s, limit)
			e.markTruncated(f)
			cut++
		}
	}
	clampOpt(&e.ResponseTimeUS, 0, maxOpt)
	clampOpt(&e.RequestBodySize, 0, maxOpt)
	clampOpt(&e.ResponseBodySize, 0, maxOpt)
	clampOpt(&e.Latitude, -maxLatitude, maxLatitude)
	clampOpt(&e.Longitude, -maxLongitude, maxLongitude)
	if e.SeverityNumber < 0 || e.SeverityNumber > 24 {
		e.SeverityNumber = 0
	}
	if e.Allowed < AllowedUnknown || e.Allowed > AllowedNo {
		e.Allowed = AllowedUnknown
	}
	return cut
}

// clampOpt makes a value out of range absent, and an absent value 0.
func clampOpt(o *OptInt64, low, high int64) {
	if !o.Valid || o.Value < low || o.Value > high {
		*o = OptInt64{}
	}
}

// CleanText replaces invalid UTF-8 (lone surrogates included) and U+0000 by
// U+FFFD. Text that needs nothing is returned as it is, without a copy.
func CleanText(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// CutText gives at most limit bytes of s, cut at a rune boundary.
func CutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func cutJSON(s string) string {
	sum := sha256.Sum256([]byte(s))
	return `{"_truncated":` + strconv.Itoa(len(s)) + `,"_sha256":"` + hex.EncodeToString(sum[:]) + `"}`
}

// quoteJSON makes a JSON string of text that is not JSON.
func quoteJSON(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (e *Event) markTruncated(f Field) {
	e.Flags |= FlagTruncated
	name := f.String()
	var names []string
	if e.TruncatedFields != "" {
		names = strings.Split(e.TruncatedFields, ",")
	}
	if !slices.Contains(names, name) {
		names = append(names, name)
		slices.Sort(names)
		e.TruncatedFields = strings.Join(names, ",")
	}
}
