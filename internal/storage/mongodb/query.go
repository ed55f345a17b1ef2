package mongodb

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// conditions gives the filters as documents to be joined by AND. Field names
// come from the field table and operators from here; what a caller wrote is
// only ever a value.
func conditions(filters []activity.Filter) bson.A {
	var out bson.A
	for i := range filters {
		f := &filters[i]
		either := bson.A{}
		for _, field := range f.Fields {
			either = append(either, condition(f, field))
		}
		if len(either) == 1 {
			out = append(out, either[0])
		} else {
			out = append(out, bson.D{{Key: "$or", Value: either}})
		}
	}
	return out
}

func is(field activity.Field, op string, v any) bson.D {
	return bson.D{{Key: field.String(), Value: bson.D{{Key: op, Value: v}}}}
}

// orNull is the condition, or no value: an absent TypeInt counts as 0.
func orNull(field activity.Field, when bool, d bson.D) bson.D {
	if !when || field.Info().Type != activity.TypeInt {
		return d
	}
	return bson.D{{Key: "$or", Value: bson.A{d, is(field, "$eq", nil)}}}
}

// condition of one field. The filter was checked before.
func condition(f *activity.Filter, field activity.Field) bson.D {
	switch f.Op {
	case activity.OpEqual, activity.OpIn:
		vs, null := wanted(field, f)
		if null {
			vs = append(vs, nil) // an absent field, too
		}
		return is(field, "$in", vs)
	case activity.OpContains:
		pattern, ok := containing(f.Text[0])
		if !ok {
			return is(field, "$in", bson.A{})
		}
		return is(field, "$regex", pattern)
	case activity.OpAtLeast:
		return orNull(field, f.Int[0] <= 0, is(field, "$gte", f.Int[0]))
	case activity.OpAtMost:
		return orNull(field, f.Int[0] >= 0, is(field, "$lte", f.Int[0]))
	case activity.OpIsNull:
		return is(field, "$eq", absent(field))
	case activity.OpNotNull:
		return is(field, "$ne", absent(field))
	}
	return is(field, "$in", bson.A{})
}

// absent is what a field without a value compares with.
func absent(field activity.Field) any {
	if field == activity.FieldTenantID {
		return ""
	}
	return nil
}

// wanted gives the values that an equality filter asks for, and whether no value
// is one of them. A value that the field cannot hold matches nothing.
func wanted(field activity.Field, f *activity.Filter) (vs bson.A, null bool) {
	vs = bson.A{}
	switch field.Info().Type {
	case activity.TypeInt, activity.TypeTime, activity.TypeOpt:
		for _, n := range f.Int {
			if n == 0 && field.Info().Type == activity.TypeInt {
				null = true
			} else {
				vs = append(vs, n)
			}
		}
	case activity.TypeBytes:
		for _, s := range f.Text {
			if s == "" {
				null = true
			} else if b, ok := bytesOf(field, s); ok {
				vs = append(vs, bson.Binary{Subtype: subtypeOf(field), Data: b})
			}
		}
	case activity.TypeText, activity.TypeJSON, activity.TypeKind:
		for _, s := range f.Text {
			switch {
			case s == "" && field != activity.FieldTenantID:
				null = true
			case utf8.ValidString(s):
				vs = append(vs, s)
			}
		}
	}
	return vs, null
}

func bytesOf(field activity.Field, s string) ([]byte, bool) {
	if field == activity.FieldID {
		id, err := activity.ParseID(s)
		return id[:], err == nil
	}
	b, err := hex.DecodeString(s)
	return b, err == nil
}

// maxPattern is the longest regular expression that MongoDB compiles.
const maxPattern = 16_000

// containing gives a regular expression for a text anywhere in another, whatever
// the case of its ASCII letters. The option "i" would fold others, too. ok is
// false when nothing can hold the text.
func containing(text string) (pattern string, ok bool) {
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return "", false
	}
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			b.Write([]byte{'[', c | 0x20, c &^ 0x20, ']'})
		case c > ' ' && c < 0x7f && (c < '0' || c > '9'):
			b.Write([]byte{'\\', c})
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// checkContains refuses a text that no regular expression can be made for.
func checkContains(filters []activity.Filter) error {
	for i := range filters {
		if filters[i].Op != activity.OpContains {
			continue
		}
		if pattern, _ := containing(filters[i].Text[0]); len(pattern) > maxPattern {
			return invalid("the text to look for is too long: %d bytes", len(filters[i].Text[0]))
		}
	}
	return nil
}
