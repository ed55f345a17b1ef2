package enrichprocessor

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func crudEvent(model, kind string) *activity.Event {
	return &activity.Event{
		Kind: activity.KindCRUD, Type: kind, Datetime: testNow.UnixNano(), ContentType: model, ObjectID: "7",
		ID: activity.ID{6: 0x40, 8: 0x80, 15: 2},
	}
}

func TestModelFilters(t *testing.T) {
	plain := started(t, nil)
	more := started(t, func(c *Config) {
		c.Filter.ExcludeModelsExtra = []string{"Shop.*", "blog.draft"}
		c.Filter.IncludeModels = []string{"shop.order", "auth.*"}
	})
	none := started(t, func(c *Config) { c.Filter.ExcludeModels = nil })
	for _, tt := range []struct {
		model             string
		plain, more, none bool
	}{
		{"shop.order", true, true, true},
		{"shop.Order", true, true, true},
		{"shop.cart", true, false, true},
		{"SHOP.Cart", true, false, true},
		{"shopping.cart", true, true, true},
		{"shop", true, true, true}, // no model of an application
		{"blog.draft", true, false, true},
		{"blog.drafts", true, true, true},
		{"sessions.session", false, false, true},
		{"sessions.Session", false, false, true},
		{"admin.logentry", false, false, true},
		{"auth.permission", false, true, true},
		{"auth.user", true, true, true},
		{"contenttypes.contenttype", false, false, true},
		{"migrations.migration", false, false, true},
		{"activitylog.retentionpolicy", false, false, true},
		{"", true, true, true},
	} {
		t.Run(tt.model, func(t *testing.T) {
			ev := crudEvent(tt.model, "update")
			assert.Equal(t, tt.plain, passes(t, plain, ev))
			assert.Equal(t, tt.more, passes(t, more, ev))
			assert.Equal(t, tt.none, passes(t, none, ev))
		})
	}
}

// A login that names a session as its object is no change of that model.
func TestOtherKindsIgnoreModelFilters(t *testing.T) {
	e := started(t, nil)
	for _, k := range activity.Kinds() {
		ev := &activity.Event{Kind: k, URL: "/x", ContentType: "sessions.session", Datetime: testNow.UnixNano()}
		assert.Equal(t, k != activity.KindCRUD, passes(t, e, ev), k.String())
	}
}

func TestUnchangedUpdates(t *testing.T) {
	skip := started(t, func(c *Config) { c.Filter.SkipUnchanged = true })
	keep := started(t, nil)
	for _, tt := range []struct {
		name, kind, changes, before, after string
		passes                             bool
	}{
		{"the same object", "update", "", `{"a":1,"b":[1,{"c":2}]}`, `{"b":[1,{"c":2}],"a":1}`, false},
		{"another one", "update", "", `{"a":1}`, `{"a":2}`, true},
		{"the client says no change", "update", "{}", "", "", false},
		{"the package says no change", "update", `"null"`, "", "", false},
		{"the client says a change", "update", `{"a":[1,2]}`, "", "", true},
		{"the client's word before the difference", "update", `{"a":[1,2]}`, `{"a":1}`, `{"a":1}`, true},
		{"nothing is known", "update", "", "", "", true},
		{"only after is known", "update", "", "", `{"a":1}`, true},
		{"no objects", "update", "", `1`, `1`, true},
		{"a creation", "create", "{}", "", "", true},
		{"a deletion", "delete", "", `{"a":1}`, "null", true},
		{"a relation", "m2m_clear", "[]", "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := crudEvent("shop.order", tt.kind)
			ev.ChangedFields = tt.changes
			assert.Equal(t, tt.passes, passesWith(t, skip, ev, inputs(tt.before, tt.after)))
			assert.True(t, passesWith(t, keep, ev, inputs(tt.before, tt.after)))
		})
	}
}
