package enrichprocessor

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

func crud() *activity.Event {
	return &activity.Event{
		Kind: activity.KindCRUD, Type: "update", ID: activity.ID{6: 0x40, 8: 0x80, 15: 1}, Datetime: testNow.UnixNano(),
		Service: "shop", ObjectID: "17", ContentType: "orders.order",
	}
}

// longPath is an object whose few small members have long paths.
func longPath(value int) string {
	var b strings.Builder
	b.WriteString(`{"` + strings.Repeat("x", 3000) + `":{`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + strconv.Itoa(i) + `":` + strconv.Itoa(value))
	}
	return b.String() + "}}"
}

func TestChangedFields(t *testing.T) {
	var d differ // its room is used again
	for _, tt := range []struct{ name, before, after, want string }{
		{"nothing", `{"a":1}`, `{"a":1}`, `{}`},
		{"order and spaces", `{"a":1,"b":{"c":[1,2],"d":null}}`, ` { "b" : {"d":null, "c":[ 1,2 ]} , "a":1 } `, `{}`},
		{"escapes", `{"a":"\u00e9\/"}`, `{"a":"é/"}`, `{}`},
		{"both empty", `{}`, `{}`, `{}`},
		{"value", `{"a":1,"b":"x"}`, `{"a":2,"b":"x"}`, `{"a":[1,2]}`},
		{"sorted", `{"c":1,"a":1,"b":1}`, `{"b":2,"c":2,"a":2}`, `{"a":[1,2],"b":[1,2],"c":[1,2]}`},
		{"added", `{}`, `{"a":1}`, `{"a":[null,1]}`},
		{"removed", `{"a":1}`, `{}`, `{"a":[1,null]}`},
		{"null is absent", `{"b":null}`, `{"a":null}`, `{}`},
		{"to null", `{"a":0}`, `{"a":null}`, `{"a":[0,null]}`},
		{"type: number to text", `{"a":1}`, `{"a":"1"}`, `{"a":[1,"1"]}`},
		{"type: boolean to number", `{"a":true}`, `{"a":1}`, `{"a":[true,1]}`},
		{"type: list to object", `{"a":[]}`, `{"a":{}}`, `{"a":[[],{}]}`},
		{"numbers as written", `{"a":1.0,"b":18446744073709551615}`, `{"a":1,"b":18446744073709551614}`, `{"a":[1.0,1],"b":[18446744073709551615,18446744073709551614]}`},
		{"nested", `{"a":{"b":{"c":1}},"d":{"e":1}}`, `{"a":{"b":{"c":2}},"d":{"e":1}}`, `{"a.b.c":[1,2]}`},
		{"member added", `{"a":{}}`, `{"a":{"b":1,"c":{"d":2}}}`, `{"a.b":[null,1],"a.c":[null,{"d":2}]}`},
		{"object replaced", `{"a":{"b":1}}`, `{"a":[1]}`, `{"a":[{"b":1},[1]]}`},
		{"names with dots", `{"a.b":1,"a":{"b":1,"c\\d":1}}`, `{"a.b":2,"a":{"b":2,"c\\d":2}}`, `{"a.b":[1,2],"a.c\\\\d":[1,2],"a\\.b":[1,2]}`},
		{"empty names", `{"":{"":1}}`, `{"":{"":2}}`, `{".":[1,2]}`},
		{"twice the same name", `{"a":1,"a":2}`, `{"a":1,"a":3}`, `{"a":[2,3]}`},
		{"lines", `{"l":[{"p":1},{"p":1,"q":1}]}`, `{"l":[{"p":1},{"p":2,"q":1}]}`, `{"l.1.p":[1,2]}`},
		{"a line more", `{"l":[{"p":1}]}`, `{"l":[{"p":1},{"p":2}]}`, `{"l":[[{"p":1}],[{"p":1},{"p":2}]]}`},
		{"mixed list", `{"l":[{"p":1},1]}`, `{"l":[{"p":2},1]}`, `{"l":[[{"p":1},1],[{"p":2},1]]}`},
		{"long paths", longPath(1), longPath(2), `{"` + strings.Repeat("x", 3000) + `":[` + longPath(1)[3004:len(longPath(1))-1] + `,` + longPath(2)[3004:len(longPath(2))-1] + `]}`},
		{"list longer", `{"a":[1,2]}`, `{"a":[1,2,3]}`, `{"a":[[1,2],[1,2,3]]}`},
		{"list in another order", `{"a":[1,2]}`, `{"a":[2,1]}`, `{"a":[[1,2],[2,1]]}`},
		{"name to escape", `{"a\"\n":1}`, `{"a\"\n":2}`, `{"a\"\n":[1,2]}`},
		{"case is another field", `{"a":1}`, `{"A":1}`, `{"A":[null,1],"a":[1,null]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := d.changedFields(tt.before, tt.after)
			assert.True(t, ok)
			assert.Equal(t, tt.want, got) // byte for byte
		})
	}
}

func TestDiff(t *testing.T) {
	e := started(t, nil)
	deep := strings.Repeat(`{"a":`, 65) + `1` + strings.Repeat(`}`, 65)
	for _, tt := range []struct {
		name, before, after, saidSnapshot, saidChanges string
		snapshot, changes, extra                       string
	}{
		{name: "update", before: `{"a":1}`, after: `{"a":2}`, snapshot: `{"a":2}`, changes: `{"a":[1,2]}`},
		{name: "create", after: `{"a":2}`, snapshot: `{"a":2}`},
		{name: "delete", before: `{"a":1}`, snapshot: `{"a":1}`},
		{name: "no change", before: `{"a":1}`, after: `{"a":1}`, snapshot: `{"a":1}`, changes: `{}`},
		{name: "the client's changes stay", before: `{"a":1}`, after: `{"a":2}`, saidChanges: `{"b":[1,2]}`, snapshot: `{"a":2}`, changes: `{"b":[1,2]}`},
		{name: "the client's snapshot stays", before: `{"a":1}`, after: `{"a":2}`, saidSnapshot: `{"c":1}`, snapshot: `{"c":1}`, changes: `{"a":[1,2]}`},
		{name: "secrets", before: `{"pwd":"a","b":{"token":1}}`, after: `{"pwd":"b","b":{"token":2}}`, snapshot: `{"pwd":"***","b":{"token":"***"}}`, changes: `{"b.token":["***","***"],"pwd":["***","***"]}`},
		{name: "lists", before: `[1]`, after: `[2]`, snapshot: `[2]`, extra: `{"_diff":"before and after are not two JSON objects"}`},
		{name: "no JSON", before: `{"a":1}`, after: `{"a":`, snapshot: `"{\"a\":"`, extra: `{"_diff":"before and after are not two JSON objects"}`},
		{name: "deleted", before: `{"a":1}`, after: ` null `, snapshot: `{"a":1}`},
		{name: "created", before: `null`, after: `{"a":1}`, snapshot: `{"a":1}`},
		{name: "too deep", before: deep, after: `{"a":1}`, extra: `{"_diff":"before or after is nested too deep"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := crud()
			ev.ObjectJSONRepr, ev.ChangedFields = tt.saidSnapshot, tt.saidChanges
			got := one(t, e, logsOf(ev, &activitylogs.Inputs{Before: tt.before, After: tt.after}))
			assert.Equal(t, tt.snapshot, got.ObjectJSONRepr)
			assert.Equal(t, tt.changes, got.ChangedFields)
			assert.Equal(t, tt.extra, got.ExtraData)
		})
	}
}

// SDKs send structured values.
func TestDiffOfStructuredValues(t *testing.T) {
	e := started(t, nil)
	ld := logsOf(crud(), nil)
	attrs := record(ld).Attributes()
	before := attrs.PutEmptyMap(activitylogs.KeyObjectBefore)
	before.PutStr("state", "open")
	before.PutEmptySlice("lines").AppendEmpty().SetInt(1)
	after := attrs.PutEmptyMap(activitylogs.KeyObjectAfter)
	after.PutStr("state", "paid")
	after.PutEmptySlice("lines").AppendEmpty().SetInt(1)
	got := one(t, e, ld)
	assert.Equal(t, `{"state":["open","paid"]}`, got.ChangedFields) //nolint:testifylint // byte for byte
	assert.JSONEq(t, `{"state":"paid","lines":[1]}`, got.ObjectJSONRepr)
	assert.Empty(t, got.ExtraData)
}
